"""Lines of a person, with what the arrow keys remember."""

from __future__ import annotations

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from labs.shell.bash import is_complete
from labs.ui.reading import PersonReader, read_whole


def test_here_document_is_one_entry_of_the_history() -> None:
    """As in bash; equal neighbours and blank lines are not kept."""
    whole = "cat > /etc/motd <<EOF\nhello\nEOF"
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        reader = PersonReader(["ls"], lambda text, cursor: [], colour=False)
        pipe.send_text("ls\r" + whole.replace("\n", "\r") + "\r \r")
        read = [read_whole(reader, "$ ", lambda text: not is_complete(text)) for _ in range(3)]
    assert read == ["ls", whole, " "]
    assert reader.history == ["ls", whole]
