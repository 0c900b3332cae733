"""Order: what is required comes first, and old rows' cycles stop nothing."""

from hypothesis import given
from hypothesis import strategies as st

from mantle.plan.order import dependencies_first, dependents, find_cycle, without_cycles

graphs = st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 14), max_size=4), max_size=12)


def test_what_is_required_comes_first_and_else_the_given_order_stays():
    """Only requirements move anything."""
    assert dependencies_first({"a": ["c"], "b": [], "c": [], "d": []}) == ["c", "a", "b", "d"]


def test_a_requirement_outside_the_graph_is_no_requirement():
    """Names that are no key are ignored."""
    assert without_cycles({"a": ["elsewhere"]}) == {"a": ()}


def test_a_cycle_loses_one_edge():
    """Two rows of different templates may require each other; one of them goes first."""
    assert without_cycles({"a": ["b"], "b": ["a"]}) == {"b": (), "a": ("b",)}


def test_a_row_that_requires_itself_waits_for_nothing():
    """The shortest cycle."""
    assert without_cycles({"a": ["a"]}) == {"a": ()}


def test_a_cycle_is_named():
    """The nodes along it, back to the first."""
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]


def test_the_graph_turned_round():
    """Who requires whom becomes whom who requires."""
    assert dependents({"a": ["b", "c"], "d": ["c"]}) == {"b": ["a"], "c": ["a", "d"]}


def test_a_chain_deeper_than_the_stack_is_ordered():
    """No recursion: depth is bounded by memory only."""
    count = 20_000
    chain = {number: [number + 1] for number in range(count)}
    assert dependencies_first(chain) == list(range(count - 1, -1, -1))


def test_twenty_thousand_resources_with_sixty_thousand_edges():
    """The largest stacks we plan for keep every edge."""
    graph = {
        number: [number // 2, number // 3, number - 1] if number > 3 else []
        for number in range(20_000)
    }
    ordered = without_cycles(graph)
    assert sum(map(len, ordered.values())) == sum(len(set(edges)) for edges in graph.values())


@given(graphs)
def test_any_graph_is_ordered_completely_and_left_without_cycles(graph):
    """Every node is there once, and what is kept points backwards."""
    ordered = without_cycles(graph)
    assert sorted(ordered) == sorted(graph)
    assert find_cycle(ordered) == []
    place = {node: number for number, node in enumerate(ordered)}
    assert all(place[other] < place[node] for node, edges in ordered.items() for other in edges)


@given(graphs)
def test_an_acyclic_graph_loses_nothing(graph):
    """Edges are dropped only where a cycle forces it."""
    acyclic = {node: [other for other in edges if other < node] for node, edges in graph.items()}
    ordered = without_cycles(acyclic)
    assert {node: set(edges) for node, edges in ordered.items()} == {
        node: set(edges) & set(acyclic) for node, edges in acyclic.items()
    }
    assert find_cycle(acyclic) == []
