from __future__ import annotations

from bakery.check.tree import Node, Tree


def links(**targets: str) -> Tree:
    nodes = [Node(path="usr/lib/a/file", type="file", mode=0o644)]
    nodes += [Node(path=p, type="link", mode=0o777, target=t) for p, t in targets.items()]
    return Tree({node.path: node for node in nodes})


def test_links_are_followed_inside_a_tree() -> None:
    tree = links(**{"usr/b": "lib/a", "usr/c": "/usr/b/../a/file", "usr/lib/d": "../b/file"})
    for path in ("/usr/b/file", "/lib/a/file", "/usr/lib/d"):
        node = tree.resolve(path)
        assert node is not None
        assert node.path == "usr/lib/a/file"
    assert tree.resolve("/usr/bin/none") is None


def test_links_that_lead_nowhere_and_in_circles() -> None:
    tree = links(**{"usr/a": "b", "usr/b": "a", "usr/out": "../../../../etc/passwd"})
    assert tree.resolve("/usr/a") is None
    assert tree.resolve("/usr/out") is None
