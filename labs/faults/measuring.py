"""Inputs and sensors that are set up wrong, hang in a bad place, are hurried, flat, old or open to everybody."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.edit import read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Site
from labs.things.library import MODELS, Model
from labs.things.toml_edit import get_toml_key
from labs.things.world import SPOTS

__all__ = ["FAULTS"]

FAMILY = "measuring"
INPUTS, SENSOR, TRANSMITTER, ACTUATOR = (
    f"/etc/{name}.toml" for name in ("inputs", "sensor", "transmitter", "actuator")
)
A_MODULE, A_SENSOR, A_TRANSMITTER = "an input module", "a sensor with a model", "a transmitter"


def _input(site: Site, on: str, number: int, key: str, value: str | float) -> Site:
    text = read_file(site, on, INPUTS, A_MODULE)
    try:
        get_toml_key(text, f"input{number}.type")
    except KeyError:
        message = f"input {number} of {on} is off"
        raise FaultError(message) from None
    return set_key(site, on, INPUTS, A_MODULE, f"input{number}.{key}", value)


def _model(site: Site, on: str) -> tuple[str, str, Model]:
    """The file, table and model of a thing. Raises FaultError."""
    files = device_of(site, on).files
    for path, table in ((SENSOR, "sensor"), (INPUTS, "module"), (ACTUATOR, "actuator")):
        if path in files:
            try:
                name = str(get_toml_key(files[path], f"{table}.model"))
            except KeyError:
                break
            return path, table if table != "sensor" else "device", MODELS[name]
    message = f"{on} has no model of the library"
    raise FaultError(message)


@fault(
    FAMILY,
    symptom="The reading is right at one point and wrong everywhere else",
    shown_by="sensorctl status of module and transmitter: two ranges; the mA fit, the value does not",
    fix="The same range on both sides",
)
def input_scaling_wrong(site: Site, on: str, input: int, low: float = 0.0, high: float = 100.0) -> Site:  # noqa: A002
    """The range of an input differs from that of its transmitter."""
    changed = _input(site, on, input, "high", high)
    try:
        return _input(changed, on, input, "low", low)
    except FaultError:  # the lower end was right already
        return changed


@fault(
    FAMILY,
    symptom="20 % at nothing, 60 % at half",
    shown_by="sensorctl read --raw: 4.00 mA shows a fifth of the range",
    fix="Set the input to 4-20 mA (zero_ma = 4)",
)
def app_020_instead_of_420(site: Site, on: str, input: int) -> Site:  # noqa: A002
    """An input reckons with 0 to 20 mA."""
    return _input(site, on, input, "zero_ma", 0.0)


@fault(
    FAMILY,
    symptom="Over range, or far below, with a probe that is sound",
    shown_by="sensorctl read --raw: 1078 ohm at 20 °C on a Pt100 input, or 108 on a Pt1000 input",
    fix="Set the type of the probe that is there",
)
def wrong_sensor_type(site: Site, on: str, input: int, type: str = "pt1000") -> Site:  # noqa: A002
    """An input is set to another type of probe."""
    return _input(site, on, input, "type", type)


@fault(
    FAMILY,
    symptom="Full scale or nonsense; no current flows",
    shown_by="sensorctl read --raw: volts near the supply where milliamps should be",
    fix="Set the input to 4-20mA",
)
def input_mode_voltage_instead_of_current(site: Site, on: str, input: int) -> Site:  # noqa: A002
    """A current loop ends in a voltage input."""
    return _input(site, on, input, "type", "0-10V")


@fault(
    FAMILY,
    symptom="A type K couple reads a fifth too low",
    shown_by="the jacket is green (K), the input says J",
    fix="Set the couple to K",
)
def tc_type_mismatch(site: Site, on: str, input: int) -> Site:  # noqa: A002
    """An input for type J."""
    return _input(site, on, input, "couple", "J")


@fault(
    FAMILY,
    symptom="Too cold by the temperature of the cabinet",
    shown_by="sensorctl read --raw: the cold junction adds 0 mV",
    fix="Switch the cold junction on",
)
def tc_cjc_disabled(site: Site, on: str, input: int) -> Site:  # noqa: A002
    """No cold-junction compensation."""
    return _input(site, on, input, "cold_junction", False)  # noqa: FBT003


@fault(
    FAMILY,
    symptom="Right at 25 °C, wrong at both ends",
    shown_by="the data sheet of the probe; compare at two temperatures (heat by hand)",
    fix="Set the B value of the data sheet",
)
def ntc_wrong_beta(site: Site, on: str, input: int = 0, beta: float = 3435.0) -> Site:  # noqa: A002
    """The B value of another NTC."""
    if input:
        return _input(site, on, input, "beta", beta)
    return set_key(site, on, SENSOR, A_SENSOR, "sensor.beta", beta)


@fault(
    FAMILY,
    symptom="The value comes late, by minutes or hours",
    shown_by="heat the probe and watch; the filter in the file",
    fix="A filter that fits the process",
)
def app_filter_too_heavy(site: Site, on: str, input: int = 0, seconds: float = 7200.0) -> Site:  # noqa: A002
    """A filter far too long."""
    if input:
        return _input(site, on, input, "filter_s", seconds)
    return set_key(site, on, SENSOR, A_SENSOR, "sensor.filter_s", seconds)


@fault(
    FAMILY,
    symptom="A constant number too much, at every value",
    shown_by="compare at two points with the thermometer on the wall; the offset in the file",
    fix="Clear the offset, or set that of a calibration and note it",
)
def app_offset(site: Site, on: str, by: float = 3.0, input: int = 0) -> Site:  # noqa: A002
    """A calibration offset that belongs to nothing."""
    if input:
        return _input(site, on, input, "offset", by)
    path, what = (TRANSMITTER, A_TRANSMITTER) if TRANSMITTER in device_of(site, on).files else (SENSOR, A_SENSOR)
    return set_key(site, on, path, what, f"{path[5:-5]}.offset", by)


@fault(
    FAMILY,
    symptom="The current fits another value than the one that is there",
    shown_by="sensorctl status of transmitter and module: two ranges",
    fix="The range of the plan on both sides",
)
def app_range_mismatch_420(site: Site, on: str, high: float = 80.0) -> Site:
    """A transmitter with another range than its plan says."""
    return set_key(site, on, TRANSMITTER, A_TRANSMITTER, "transmitter.high", high)


@fault(
    FAMILY,
    symptom="The value stands still just above the end of its range, whatever happens",
    shown_by="sensorctl read --raw: 20.5 mA, which is full and no fault (NAMUR NE 43)",
    fix="A range that the process fits into, on both sides",
)
def loop_saturated_high(site: Site, on: str, module: str, input: int, high: float) -> Site:  # noqa: A002
    """Transmitter and input agree on a range that ends below what there is to measure."""
    site = set_key(site, on, TRANSMITTER, A_TRANSMITTER, "transmitter.high", high)
    return _input(site, module, input, "high", high)


@fault(
    FAMILY,
    symptom="Power is negative where something is consumed; the panels seem to eat",
    shown_by="sensorctl read: a minus; the arrow on the current transformer; sensor.scale in the file",
    fix="Turn the transformer round, or set scale to 1",
)
def ct_reversed(site: Site, on: str) -> Site:
    """A current transformer was clipped on backwards, so that its meter counts the other way."""
    if _model(site, on)[2].name != "energy-meter":
        message = f"{on} has no current transformer"
        raise FaultError(message)
    return set_key(site, on, SENSOR, A_SENSOR, "sensor.scale", -1.0)


@fault(
    FAMILY,
    symptom="Too warm in the afternoon, above the heater, or too cold in a draught",
    shown_by="look: where the probe hangs; the thermometer on the wall in the shade",
    fix="Hang it in the shade, free in the air, and explain why",
)
def sensor_bad_placement(site: Site, on: str, spot: str = "sun") -> Site:
    """A probe hangs where it measures something else than the room."""
    if spot not in SPOTS or spot == "shade":
        message = f'"{spot}" is not a bad place; bad places: {", ".join(SPOTS[1:])}'
        raise FaultError(message)
    return site.with_device(replace(device_of(site, on), spot=spot))


@fault(
    FAMILY,
    symptom="A radio sensor that reports without a pause reads too warm; its battery is soon flat",
    shown_by="sensorctl read: falls after a longer interval is set; sensorctl status: life",
    fix="An interval that fits the process",
)
def self_heating(site: Site, on: str, seconds: int = 2) -> Site:
    """The electronics warm the probe beside them."""
    _model(site, on)
    return set_key(site, on, SENSOR, A_SENSOR, "sensor.interval_s", seconds)


@fault(
    FAMILY,
    symptom="Short peaks are missing; what the screen says is old",
    shown_by="sensorctl status: interval; timestamps far apart",
    fix="An interval that fits the process",
)
def app_sampling_too_slow(site: Site, on: str, seconds: int = 14_400) -> Site:
    """Hardly ever a report."""
    path, table = (SENSOR, "sensor") if SENSOR in device_of(site, on).files else (INPUTS, "module")
    return set_key(site, on, path, A_SENSOR, f"{table}.interval_s", seconds)


@fault(
    FAMILY,
    symptom="The sensor is silent; its last words are of low voltage",
    shown_by="sensorctl status: battery; journal: brown-out while sending",
    fix="A new cell of the stated type; the old one goes to the batteries",
)
def battery_depleted(site: Site, on: str, percent: int = 0) -> Site:
    """The battery is empty, or nearly."""
    if _model(site, on)[2].battery is None:
        message = f"{on} has no battery"
        raise FaultError(message)
    return site.with_device(replace(device_of(site, on), charge=percent / 100))


@fault(
    FAMILY,
    symptom="Anybody who knows the manual can log in",
    shown_by="sensorctl status: still with the password of the factory",
    fix="A password of its own for every device",
)
def sec_default_credentials(site: Site, on: str) -> Site:
    """The password of the factory."""
    path, table, model = _model(site, on)
    if not model.login:
        message = f"every {model.name} leaves the factory with a password of its own"
        raise FaultError(message)
    return set_key(site, on, path, A_SENSOR, f"{table}.password", model.login.partition(":")[2])


@fault(
    FAMILY,
    symptom="A version with known holes",
    shown_by="sensorctl status: a newer one is out",
    fix="Install the image of the maker",
)
def sec_outdated_firmware(site: Site, on: str) -> Site:
    """The oldest firmware of the model."""
    path, table, model = _model(site, on)
    if len(model.firmware) < 2:
        message = f"there is only one firmware of {model.name}"
        raise FaultError(message)
    return set_key(site, on, path, A_SENSOR, f"{table}.firmware", model.firmware[0])


@fault(
    FAMILY,
    symptom="Any image is installed, whoever made it",
    shown_by="sensorctl status: signatures are not checked",
    fix="Check signatures (device.verify_updates true)",
)
def sec_unsigned_updates(site: Site, on: str) -> Site:
    """Images are not checked."""
    _model(site, on)
    return set_key(site, on, SENSOR, A_SENSOR, "device.verify_updates", False)  # noqa: FBT003


FAULTS = (
    input_scaling_wrong,
    app_020_instead_of_420,
    wrong_sensor_type,
    input_mode_voltage_instead_of_current,
    tc_type_mismatch,
    tc_cjc_disabled,
    ntc_wrong_beta,
    app_filter_too_heavy,
    app_offset,
    app_range_mismatch_420,
    loop_saturated_high,
    ct_reversed,
    sensor_bad_placement,
    self_heating,
    app_sampling_too_slow,
    battery_depleted,
    sec_default_credentials,
    sec_outdated_firmware,
    sec_unsigned_updates,
)
