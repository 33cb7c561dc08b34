# A Python interpreter that keeps its state from message to message. Each message comes as its
# length in bytes, a line end, and the text; each answer ends with a mark that no code prints by
# accident.
import ast
import code
import os
import sys

mark = sys.argv[1]
requests = os.fdopen(os.dup(0), "rb")
answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
# Code that reads its input finds none: the messages are not for it. Errors go where output goes, so
# that both stay in order.
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.close(nothing)
os.dup2(1, 2)
sys.argv = [""]
console = code.InteractiveConsole({"__name__": "__main__", "__doc__": None})
sys.ps1, sys.ps2 = "", ""


def run_whole(source):
    """Runs several lines at once, and shows the value of the last one if it is an expression."""
    try:
        tree = ast.parse(source, "<message>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        # Both before anything runs: some mistakes are only found here.
        parts = [compile(tree, "<message>", "exec")]
        if last is not None:
            parts.append(compile(ast.Interactive([last]), "<message>", "single"))
    except (SyntaxError, ValueError, OverflowError):
        console.showsyntaxerror("<message>")
        return
    for part in parts:
        console.runcode(part)


while True:
    length = requests.readline()
    if not length:
        break
    source = requests.read(int(length)).decode("utf-8", "replace")
    if not console.buffer and "\n" in source.strip():
        run_whole(source)
    else:
        # An open block goes on with the next message; an empty one closes it.
        for line in source.rstrip("\n").split("\n"):
            console.push(line)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # The code has closed or replaced it.
    answers.write(mark)
    answers.flush()
