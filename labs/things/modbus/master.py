"""The asking side of Modbus RTU: whether what came back is the answer, in the words of libmodbus (modbus_strerror).

Before changing this file read Modbus over Serial Line V1.02 §2.4 and libmodbus' modbus.c, check_confirmation.
"""

from __future__ import annotations

from enum import StrEnum

from labs.things.modbus.framing import FrameError, decode_rtu
from labs.things.modbus.pdu import ModbusError, ModbusException, answer_length, check_function

__all__ = ["AnswerError", "Outcome", "exception_text", "read_answer"]

EXCEPTION_TEXTS = {
    ModbusException.ILLEGAL_FUNCTION: "Illegal function",
    ModbusException.ILLEGAL_DATA_ADDRESS: "Illegal data address",
    ModbusException.ILLEGAL_DATA_VALUE: "Illegal data value",
    ModbusException.SERVER_FAILURE: "Slave device or server failure",
    ModbusException.ACKNOWLEDGE: "Acknowledge",
    ModbusException.SERVER_BUSY: "Slave device or server is busy",
    ModbusException.MEMORY_PARITY: "Memory parity error",
    ModbusException.GATEWAY_PATH: "Gateway path unavailable",
    ModbusException.GATEWAY_TARGET: "Target device failed to respond",
}


class Outcome(StrEnum):
    """How a request ended. Closed: the counters of a gateway know no other."""

    OK = "ok"
    TIMEOUT = "timeout"
    CRC = "crc"
    WRONG_UNIT = "unit"
    EXCEPTION = "exception"


class AnswerError(Exception):
    """What came back is not the answer, in one line."""

    def __init__(self, outcome: Outcome, text: str, code: ModbusException | None = None) -> None:
        super().__init__(text)
        self.outcome = outcome
        self.code = code


def exception_text(code: ModbusException) -> str:
    """An exception in words."""
    return EXCEPTION_TEXTS[code]


def read_answer(unit: int, function: int, received: bytes) -> bytes | None:
    """The PDU in the bytes that came after a request; None while they are too few. Raises AnswerError."""
    length = answer_length(received[1:3])
    if length is None or len(received) < length + 3:
        return None
    try:
        adu = decode_rtu(received[: length + 3])
    except FrameError:
        raise AnswerError(Outcome.CRC, "Invalid CRC") from None
    if adu.unit != unit:
        raise AnswerError(Outcome.WRONG_UNIT, "Response not from requested slave")
    check_answer(function, adu.pdu)
    return adu.pdu


def check_answer(function: int, pdu: bytes) -> None:
    """Whether a PDU answers a function. Raises AnswerError."""
    try:
        check_function(function, pdu)
    except ModbusError as error:
        raise AnswerError(Outcome.EXCEPTION, exception_text(error.code), error.code) from None
    except ValueError:
        raise AnswerError(Outcome.CRC, "Invalid data") from None
