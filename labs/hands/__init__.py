"""What a technician's hands do on site: move leads, switch power, turn screws, look around, wait.

Hands are no device: what they tell is said in the language of whoever reads it, so every line is a message.
"""

from labs.hands.verbs import run_hands
from labs.hands.workbench import Told, Workbench

__all__ = ["Told", "Workbench", "run_hands"]
