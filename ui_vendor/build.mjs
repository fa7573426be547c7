/**
 * Bundle the chat page: `ui/built/chat.js` and `chat.css`, with source maps, from the modules and styles in `ui/`.
 *
 *     node build.mjs            write the bundle
 *     node build.mjs --watch    write it after each change
 *     node build.mjs --check    fail if the written bundle is not that of the modules
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const UI = fileURLToPath(new URL("../flask_assistant_stream/ui/", import.meta.url));
const OPTIONS = {
  absWorkingDir: UI,
  entryPoints: ["chat.js", "styles/chat.css"],
  entryNames: "[name]",
  outdir: "built",
  bundle: true,
  minify: true,
  format: "esm",
  target: "esnext", // the page needs recent browsers anyway
  charset: "utf8",
  legalComments: "eof",
  sourcemap: true,
  sourcesContent: false, // the package has the modules too
  logLevel: "warning",
};

function isCurrent({ path, contents }) {
  try {
    return readFileSync(path).equals(contents);
  } catch {
    return false;
  }
}

const [mode] = process.argv.slice(2);
if (mode === "--watch") {
  await (await context({ ...OPTIONS, logLevel: "info" })).watch();
} else {
  const { outputFiles } = await build({ ...OPTIONS, write: mode !== "--check" });
  const stale = (outputFiles ?? []).filter((file) => !isCurrent(file)).map(({ path }) => path);
  if (stale.length) {
    console.error(`Not the bundle of the modules: ${stale.join(", ")}. Run \`make vendor\`.`);
    process.exitCode = 1;
  }
}
