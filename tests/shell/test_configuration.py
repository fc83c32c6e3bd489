"""Booting, ifupdown, systemctl, journalctl, sysctl, ss and bridge on simulated devices."""

from __future__ import annotations

from labs.net.linux.node import LinuxNode
from labs.net.linux.units import Unit, Units, enabled_path
from labs.net.process import Process, Routine, Wait
from labs.net.sockets import listen
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.testing import connect, device, pass_time, run

SECOND = 1_000_000_000
INTERFACES = """auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address 192.168.1.2/24
    gateway 192.168.1.1
    up echo $IFACE is $METHOD
"""
BASE = {"/etc/network/interfaces": INTERFACES, enabled_path("networking"): "", "/etc/hostname": "gw\n"}


def forever(process: Process) -> Routine:
    """A daemon that listens on port 1883."""
    listen(process, 1883)
    process.print("ready")
    process.endless = True
    while True:
        yield Wait(())


def broken(process: Process) -> int:
    """A daemon that cannot read its configuration."""
    process.error("bad line 3")
    return 1


UNITS = {
    "networking": UNITS["networking"],
    "broker": Unit("broker", "A message broker", forever, "/usr/sbin/broker", config="/etc/broker.conf"),
    "broken": Unit("broken", "A broken thing", broken, "/usr/sbin/broken", config="/etc/broken.conf"),
}


def machine(**files: str) -> LinuxNode:
    """A booted device."""
    extra = {path.replace("__", "/"): text for path, text in files.items()}
    return device("box", files=BASE | extra, ports=("eth0", "eth1"), units=UNITS, boot=boot)


# Boot


def test_boot_configures_interfaces_name_and_settings() -> None:
    """A device comes up from its files alone."""
    node = machine(**{"__etc__sysctl.conf": "net.ipv4.ip_forward = 1\nno.such.thing = 1\n"})
    assert (
        run(node, "ip -br -4 addr").text
        == "lo               UNKNOWN        127.0.0.1/8 \neth0             DOWN           192.168.1.2/24 \n"
    )
    assert node.hostname == "gw"
    assert node.sysctl.number("net.ipv4.ip_forward") == 1
    assert "no/such/thing" in run(node, "journalctl -b").text


def test_boot_goes_on_after_a_unit_failed() -> None:
    """networking fails, the broker runs all the same."""
    node = device(
        "box",
        files=BASE
        | {
            "/etc/network/interfaces": "iface\n",
            enabled_path("broker"): "",
            enabled_path("broken"): "",
            enabled_path("none"): "",
        },
        units=UNITS,
        boot=boot,
    )
    assert node.units.state("networking").active == "failed"
    assert node.units.state("broken").active == "failed"
    assert node.units.state("broker").active == "active"
    assert "Unit none.service not found." in run(node, "journalctl").text


def test_settings_of_a_folder_apply_in_the_order_of_their_names() -> None:
    """/etc/sysctl.conf counts as 99-sysctl.conf."""
    node = machine(
        **{
            "__etc__sysctl.d__10-a.conf": "net.ipv4.ip_forward=1\n",
            "__etc__sysctl.d__zz.conf": "net.ipv4.ip_default_ttl=9\n",
            "__etc__sysctl.conf": "net.ipv4.ip_forward=0\nnet.ipv4.ip_default_ttl=8\n",
        }
    )
    assert run(node, "sysctl -n net.ipv4.ip_forward net.ipv4.ip_default_ttl").text == "0\n9\n"


# ifupdown


def test_ifup_of_configured_and_unknown_interfaces_says_so() -> None:
    """Nothing to do is no failure; an unknown name is."""
    node = machine()
    assert run(node, "ifup eth0 2>&1") == ("ifup: interface eth0 already configured\n", 0)
    assert run(node, "ifup eth9 2>&1") == ("ifup: unknown interface eth9\n", 1)
    assert run(node, "ifdown eth1 2>&1") == ("ifdown: unknown interface eth1\n", 1)
    assert run(node, "ifup 2>&1") == ("ifup: no interface(s) specified\nifup: Use --help for help\n", 1)


def test_ifdown_takes_address_and_route_away_and_ifup_brings_them_back() -> None:
    """The route by ifupdown is onlink, as Debian makes it."""
    node = machine()
    run(node, "ifdown eth0")
    assert run(node, "ip route").text == ""
    assert run(node, "ifquery --state").text == "lo=lo\n"
    run(node, "ifup eth0")
    assert "default via 192.168.1.1 dev eth0 onlink linkdown " in run(node, "ip route").text


def test_ifup_over_a_live_address_fails_as_ip_does() -> None:
    """The error is that of the command that failed."""
    node = machine()
    run(node, "ifdown eth0; ip addr add 192.168.1.2/24 dev eth0")
    answer = run(node, "ifup eth0")
    assert answer.text == "Error: ipv4: Address already assigned.\nifup: failed to bring up eth0\n"
    assert answer.status == 1


def test_ifup_verbose_shows_the_commands() -> None:
    """What it would do is what it does."""
    node = machine()
    text = run(node, "ifdown eth0; ifup -v eth0").text
    assert "ip addr add 192.168.1.2/255.255.255.0 broadcast 192.168.1.255 " in text
    assert " ip route add default via 192.168.1.1  dev eth0 onlink \n" in text
    assert "eth0 is static\n" in text


def test_bridge_ports_make_a_bridge_and_vlan_names_make_vlans() -> None:
    """bridge-utils and vlan in one file."""
    node = machine(
        __etc__network__interfaces="auto br0\niface br0 inet static\n bridge_ports eth0 eth1 eth7\n"
        " address 10.0.0.1/24\n"
        "auto eth1.10\niface eth1.10 inet static\n address 10.10.0.1/24\n"
    )
    assert run(node, "brctl show").text.splitlines()[1:] == [
        f"br0\t\t8000.{int(node.interfaces['eth0'].mac):012x}\tno\t\teth0",
        "\t\t\t\t\t\t\teth1",
    ]
    assert run(node, "ip -br -4 addr").text.split("\n")[1:3] == [
        "br0              DOWN           10.0.0.1/24 ",
        "eth1.10@eth1     LOWERLAYERDOWN 10.10.0.1/24 ",
    ]
    run(node, "ifdown br0")
    assert "br0" not in node.interfaces


def test_source_lines_bring_in_other_files() -> None:
    """Debian's own file begins with one."""
    node = machine(
        **{
            "__etc__network__interfaces": "source /etc/network/interfaces.d/*\n",
            "__etc__network__interfaces.d__lan": "auto eth1\niface eth1 inet static\n address 10.5.0.1/24\n",
        }
    )
    assert "10.5.0.1/24" in run(node, "ip -br -4 addr").text


def test_mistake_in_the_file_is_named_and_nothing_happens() -> None:
    """`ifup -a` reads the whole file first."""
    node = machine()
    run(node, "echo 'iface eth1 inet statc' >> /etc/network/interfaces")
    assert run(node, "ifup eth1").text == (
        "ifup: /etc/network/interfaces:9: unknown or no method and no inherits keyword specified\n"
        'ifup: couldn\'t read interfaces file "/etc/network/interfaces"\n'
    )


# Addresses with a lifetime, VLANs, carrier


def test_address_with_a_lifetime_disappears_when_it_runs_out() -> None:
    """valid_lft counts down; the connected route goes with the address."""
    node = machine()
    run(node, "ip addr add 10.3.0.1/24 dev eth0 valid_lft 5 preferred_lft 5")
    pass_time(node, 2 * SECOND)
    assert "valid_lft 3sec preferred_lft 3sec" in run(node, "ip addr show eth0").text
    pass_time(node, 4 * SECOND)
    assert "10.3.0." not in run(node, "ip addr; ip route").text


def test_secondary_takes_over_where_promotion_is_on() -> None:
    """promote_secondaries: the next address becomes the first and brings the route back."""
    node = machine()
    run(
        node,
        "sysctl -qw net.ipv4.conf.all.promote_secondaries=1; ip addr add 192.168.1.3/24 dev eth0"
        "; ip addr del 192.168.1.2/24 dev eth0",
    )
    assert "192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.3 linkdown \n" in run(node, "ip route").text


def test_vlan_follows_its_parent_and_talks_through_it() -> None:
    """Two machines with a VLAN on one lead; the parent goes down and the VLAN with it."""
    one, two = device("one"), device("two")
    connect(one, "eth0", two, "eth0")
    for number, node in ((1, one), (2, two)):
        run(node, "ip link set eth0 up; ip link add link eth0 name eth0.10 type vlan id 10; ip link set eth0.10 up")
        run(node, f"ip addr add 10.0.0.{number}/24 dev eth0.10")
    assert run(one, "ip link show eth0.10").text.startswith(
        "3: eth0.10@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT "
    )
    assert run(one, "ping -c 1 10.0.0.2").status == 0
    run(one, "ip link set eth0 down")
    assert run(one, "ip link set eth0.10 up") == ("RTNETLINK answers: Network is down\n", 2)


# systemctl and journalctl


def test_unit_starts_stops_and_tells() -> None:
    """active, inactive, their exit statuses and the journal."""
    node = machine(**{"__etc__broker.conf": "x\n"})
    assert run(node, "systemctl is-active broker") == ("inactive\n", 3)
    assert run(node, "systemctl start broker") == ("", 0)
    assert run(node, "systemctl is-active broker") == ("active\n", 0)
    block = run(node, "systemctl status broker")
    assert block.status == 0
    assert block.text.startswith(
        "● broker.service - A message broker\n     Loaded: loaded (/lib/systemd/system/broker.service; disabled;"
    )
    assert "     Active: active (running) since Thu 2026-01-01 00:00:00 UTC; " in block.text
    run(node, "systemctl stop broker")
    assert run(node, "systemctl status broker").status == 3
    assert [line.split(": ", 1)[1] for line in run(node, "journalctl -u broker").text.splitlines()] == [
        "Started broker.service - A message broker.",
        "ready",
        "Stopping broker.service - A message broker...",
        "broker.service: Deactivated successfully.",
        "Stopped broker.service - A message broker.",
    ]


def test_unknown_unit_is_refused_in_the_words_of_systemd() -> None:
    """Exit statuses 4 and 5."""
    node = machine()
    assert run(node, "systemctl status foo") == ("Unit foo.service could not be found.\n", 4)
    assert run(node, "systemctl start foo") == ("Failed to start foo.service: Unit foo.service not found.\n", 5)
    assert run(node, "systemctl stop foo") == ("Failed to stop foo.service: Unit foo.service not loaded.\n", 5)
    assert run(node, "systemctl enable foo") == ("Failed to enable unit: Unit file foo.service does not exist.\n", 1)
    assert run(node, "systemctl foo") == ("Unknown command verb foo.\n", 1)
    assert run(node, "systemctl is-active networking.service").text == "active\n"


def test_failing_unit_points_to_its_journal() -> None:
    """The sentence of a failed job, and the state afterwards."""
    node = machine(**{"__etc__broken.conf": ""})
    answer = run(node, "systemctl restart broken")
    assert answer.status == 1
    assert answer.text == (
        "Job for broken.service failed because the control process exited with error code.\n"
        'See "systemctl status broken.service" and "journalctl -xeu broken.service" for details.\n'
    )
    status = run(node, "systemctl status broken")
    assert status.status == 3
    assert "× broken.service" in status.text
    assert "(code=exited, status=1/FAILURE)" in status.text
    assert "bad line 3" in run(node, "journalctl -xeu broken").text
    assert (
        run(node, "systemctl --failed list-units --no-legend").text
        == "● broken.service loaded failed failed A broken thing\n"
    )


def test_killed_daemon_is_a_failed_unit() -> None:
    """SIGKILL is a failure, SIGTERM is not."""
    node = machine(**{"__etc__broker.conf": "", enabled_path("broker").replace("/", "__"): ""})
    run(node, "kill -9 $(pidof broker)")
    assert run(node, "systemctl is-failed broker") == ("failed\n", 0)


def test_enabled_unit_starts_at_the_next_boot_and_a_disabled_one_does_not() -> None:
    """The link in multi-user.target.wants decides."""
    node = machine(**{"__etc__broker.conf": "x\n"})
    assert "Created symlink" in run(node, "systemctl enable broker").text
    node.power_off(node.now)
    node.power_on(node.now)
    assert node.units.state("broker").active == "active"
    assert run(node, "systemctl disable --now broker").text == (
        'Removed "/etc/systemd/system/multi-user.target.wants/broker.service".\n'
    )
    assert run(node, "systemctl is-enabled broker") == ("disabled\n", 1)
    node.power_off(node.now)
    node.power_on(node.now)
    assert node.units.state("broker").active == "inactive"
    assert "-- Boot " in run(node, "journalctl").text


def test_journal_follows_until_interrupted() -> None:
    """`journalctl -f` never ends by itself."""
    node = machine()
    answer = run(node, "journalctl -fn 1")
    assert answer.status == 130
    assert answer.text.endswith("^C\n")
    assert run(node, "journalctl --since yesterday") == ('journalctl: "--since" is not simulated here\n', 1)
    assert run(node, "journalctl -u nothing") == ("-- No entries --\n", 0)


def test_unit_catalogue_without_configuration_is_not_installed() -> None:
    """What is not on the device cannot be started."""
    node = machine()
    assert isinstance(node.units, Units)
    assert node.units.installed() == ["networking"]


# sysctl, ss, bridge


def test_sysctl_reads_writes_and_complains() -> None:
    """Words and statuses of procps."""
    node = machine()
    assert run(node, "sysctl net.ipv4.ip_forward") == ("net.ipv4.ip_forward = 0\n", 0)
    assert run(node, "sysctl -w net.ipv4.ip_forward=1") == ("net.ipv4.ip_forward = 1\n", 0)
    assert run(node, "sysctl -n net/ipv4/ip_forward") == ("1\n", 0)
    assert run(node, "sysctl net.ipv4.foo") == (
        "sysctl: cannot stat /proc/sys/net/ipv4/foo: No such file or directory\n",
        1,
    )
    assert run(node, "sysctl net.ipv4.ip_forward=x") == (
        'sysctl: setting key "net.ipv4.ip_forward": Invalid argument\n',
        1,
    )
    assert run(node, "sysctl -w net.ipv4.ip_forward") == ("sysctl: command line(0): invalid syntax, continuing...\n", 1)
    assert run(node, "sysctl -p /etc/none") == ('sysctl: cannot open "/etc/none": No such file or directory\n', 1)


def test_ss_shows_listeners_in_its_columns() -> None:
    """The table of the real tool for one listener."""
    node = machine(**{"__etc__broker.conf": ""})
    run(node, "systemctl start broker")
    pid = node.units.state("broker").pid
    users = f' users:(("broker",pid={pid},fd=3))'
    assert run(node, "ss -tlnp").text == (
        f"State  Recv-Q Send-Q Local Address:Port Peer Address:Port{'Process':<{len(users)}}\n"
        f"LISTEN 0      128          0.0.0.0:1883      0.0.0.0:*   {users}\n"
    )
    assert run(node, "ss -tlnH sport = :80") == ("", 0)
    assert run(node, "ss -tan state foo") == ("ss: wrong state name: foo\n", 255)


def test_bridge_shows_ports_and_stations() -> None:
    """`bridge link` and `bridge fdb` in iproute2's words."""
    node = machine()
    run(node, "ip link add br0 type bridge; ip link set eth1 master br0; ip link set br0 up")
    assert (
        run(node, "bridge link").text
        == "3: eth1: <BROADCAST,MULTICAST> mtu 1500 master br0 state disabled priority 32 cost 4 \n"
    )
    mac = node.interfaces["eth1"].mac
    assert run(node, "bridge fdb show br br0 brport eth1").text == f"{mac} master br0 permanent\n"
    assert run(node, "bridge fdb add 02:00:00:00:00:99 dev eth0 master") == (
        "RTNETLINK answers: Operation not supported\n",
        255,
    )
    assert run(node, "bridge foo") == ('Object "foo" is unknown, try "bridge help".\n', 255)


def test_what_is_not_simulated_says_so_and_changes_nothing() -> None:
    """One clear line, a usage status, no effect."""
    node = machine()
    before = node.snapshot()
    for line in (
        "ip tunnel prl",
        "ip rule add from 10.0.0.1 table 5",
        "ip netns add x",
        "ip -6 addr add 2001:db8::1/64 dev eth0 home",
        "ip link add d0 type dummy",
        "bridge mdb add dev br0 port p1 grp 224.1.1.1",
    ):
        answer = run(node, line)
        assert "is not simulated here" in answer.text, line
        assert answer.status == 255, line
    assert node.snapshot() == before


def test_dhcp_interface_without_a_server_does_not_hold_up_the_line_for_ever() -> None:
    """ifup waits a while, then the client goes on alone; ifdown ends it."""
    node = device("box", files={"/etc/network/interfaces": "iface eth0 inet dhcp\n"}, boot=boot)
    answer = run(node, "ifup eth0")
    assert answer.status == 0
    assert "DHCPDISCOVER on eth0 to 255.255.255.255 port 67 interval " in answer.text
    assert run(node, "pidof dhclient").status == 0
    run(node, "ifdown eth0")
    assert run(node, "pidof dhclient").status == 1


def test_daemon_that_rereads_at_hangup_can_be_reloaded_and_another_cannot() -> None:
    """ExecReload, or the refusal of systemd."""
    node = machine(**{"__etc__broker.conf": ""})
    assert run(node, "systemctl reload broker") == ("broker.service is not active, cannot reload.\n", 1)
    run(node, "systemctl start broker")
    assert run(node, "systemctl reload broker").text.startswith(
        "Failed to reload broker.service: Job type reload is not applicable for unit broker.service.\n"
    )
