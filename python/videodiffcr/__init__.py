"""Text-to-video that arrives as it is generated.

    import videodiffcr

    client = videodiffcr.Client("localhost:50051")
    client.generate("a red circle moves right").save("circle.mp4")

    for chunk in client.stream("a red circle moves right", budget=0.8):
        ...  # chunk.data plays behind the chunks before it
"""
from videodiffcr.aio import AsyncClient, AsyncStream
from videodiffcr.client import Client, Stream
from videodiffcr.errors import VideoError
from videodiffcr.events import Applied, BudgetChange, Chunk, Finished, FirstFragment, Interrupted, ServerWarning, Started
from videodiffcr.video import Video, iter_frames, write_whole

__all__ = ["Applied", "AsyncClient", "AsyncStream", "BudgetChange", "Chunk", "Client", "Finished", "FirstFragment",
           "Interrupted", "ServerWarning", "Started", "Stream", "Video", "VideoError", "iter_frames",
           "write_whole"]
__version__ = "0.1.0"
