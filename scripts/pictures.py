"""Draw docs/images/{plan,demo,done}.svg from a real run of the demo's template.

Run it with `make pictures`. It starts a control plane of its own in a temporary folder, and takes
everything away again.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from mantle.cli.client import Client
from mantle.cli.control_plane import ensure_plane, stop_plane
from mantle.cli.credentials import find_credentials
from mantle.cli.drawing import draw_outputs, draw_plan, draw_tree
from mantle.cli.sources import gather
from mantle.cli.tree import StackTree

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "examples" / "02-load-balanced-web" / "web.yaml"
WIDTH = 92
PLAN_LINES = 24


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mantle-") as folder:
        data = Path(folder)
        plane, _ = ensure_plane(data)
        try:
            with Client(find_credentials({"MANTLE_DATA_DIR": folder}, data, None)) as client:
                draw(client)
        finally:
            stop_plane(plane, data)
    return 0


def draw(client: Client) -> None:
    source = gather(TEMPLATE).body()
    body = {"stack_name": "demo", **source}
    planned = client.post("plans", body={"action": "create", **body})
    head = planned["rendered"].splitlines()
    shown = [*head[:PLAN_LINES], "", f"  … {len(head) - PLAN_LINES - 1} more lines …", "", head[-1]]
    save("plan", draw_plan("\n".join(shown)))

    accepted = client.post("stacks", body=body)
    tree = StackTree(accepted["stack"]["id"], "demo")
    tree.expect(accepted["plan"])
    halfway = None
    for message in client.stream("stacks", "demo", "events", "stream", after=0, nested_depth=5):
        if message.event == "end":
            break
        if message.event != "event":
            continue
        node = tree.apply(json.loads(message.data))
        # The most telling moment: the first server is up and its siblings are not.
        if halfway is None and node and node.path.endswith("/place"):
            halfway = draw_tree(tree, now=time.time(), lines=40)
    assert halfway is not None
    save("demo", halfway)
    outputs = client.get("stacks", "demo")["stack"]["outputs"]
    done = draw_tree(tree, now=time.time(), lines=40)
    save("done", Group(done, Text(), draw_outputs(outputs)))
    client.delete("stacks", "demo")
    for message in client.stream("stacks", tree.stack_id, "events", "stream", after=tree.sequence):
        if message.event == "end":
            break


def save(name: str, picture: Text | Group) -> None:
    console = Console(record=True, width=WIDTH, file=sys.stderr, force_terminal=True)
    console.print(picture)
    place = ROOT / "docs" / "images" / f"{name}.svg"
    text = console.export_svg(title="mantle demo", unique_id=f"mantle-{name}")
    # The exported file asks a web site for its font; a reader's own monospace does as well.
    lines = [line for line in text.splitlines() if "@font-face" not in line]
    place.write_text(without_fonts("\n".join(lines)) + "\n", encoding="utf-8")


def without_fonts(svg: str) -> str:
    """Drop the rest of each @font-face rule, whose first line is gone already."""
    kept, inside = [], False
    for line in svg.splitlines():
        inside = inside or line.strip().startswith('font-family: "Fira Code"')
        if not inside:
            kept.append(line)
        elif line.strip() == "}":
            inside = False
    return "\n".join(kept).replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, monospace")


if __name__ == "__main__":
    sys.exit(main())
