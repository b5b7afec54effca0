"""A live source as tests open it, with a list of its states."""

from pipeline.sources import LiveOptions, SourceOptions, create_source


def live(address, **options):
    """A live source and the list its states will be in."""
    source = create_source(address, SourceOptions(stream="cam", live=LiveOptions(**options)))
    states = []
    source.on_state.append(lambda source, state: states.append((state.value, source.trouble)))
    return source, states


def read_until(source, condition):
    for frame in source:
        if condition(frame):
            return frame
    raise AssertionError(f"the stream ended before that: {source.state}, {source.trouble}")
