"""An app whose assistant answers from the files that you upload, with citations. It needs no key:

    flask --app examples/files_app.py run

Then, in another shell:

    API=http://127.0.0.1:5000/api/assistants
    printf '# Warranty\\n\\nEvery kettle has a warranty of 37 months.\\n' > warranty.md
    curl -F file=@warranty.md $API/files               # {"fileId": "file-…", "filename": "warranty.md"}
    curl -F file=@handbook.pdf $API/files              # any PDF with text in it
    curl $API/files                                    # [{"file_id": "file-…", …, "status": "completed"}, …]

    # A thread, a file search, and an answer that quotes: 【1:0†warranty.md】 and its annotation come together.
    curl -N -d '{"content": "How long is the warranty of a kettle?"}' $API/chat/stream

    FILE=file-…                                        # an id from the list
    curl -OJ $API/files/$FILE                          # the file, under its own name
    curl -X DELETE -d "{\\"fileId\\": \\"$FILE\\"}" $API/files
    curl -N -d '{"content": "How long is the warranty of a kettle?"}' $API/chat/stream     # nothing is found any more

With `OPENAI_API_KEY` set, files are indexed at OpenAI and a model answers; the same lines work.
"""

from __future__ import annotations

from flask import Flask

from flask_assistant_stream import create_assistant_blueprint, shared_owner


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.register_blueprint(
        create_assistant_blueprint(
            instructions="You answer from the files, briefly, and name the source.",
            tools=[{"type": "file_search"}],
            authenticate=shared_owner("everybody"),  # or your login: then each user has their own files
        ),
        url_prefix="/api/assistants",
    )
    return app
