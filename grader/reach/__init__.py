"""What can flow on a site, for every packet: proofs and witnesses over the configuration as it was observed.

Read `analysis` first. A packet here is one that begins a conversation; answers are judged on the way back.
"""

from grader.reach.questions import Difference, Reach, Shadowed
from grader.reach.scope import Limit, OutOfScope
from grader.reach.trace import Packet
from grader.reach.witness import Answer, Opening, Witness

__all__ = ["Answer", "Difference", "Limit", "Opening", "OutOfScope", "Packet", "Reach", "Shadowed", "Witness"]
