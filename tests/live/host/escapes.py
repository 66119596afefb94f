"""What a hostile program tries in an isolated sandbox. It is run there, and prints what came of each try as JSON.

Its argument is a JSON object of what it would like to reach: `secret` (a file in the caller's home), `neighbour` (a
file of another sandbox), `key` (the host's), `sockets`, `outside` (the pid of a process outside), `marker` (a word in
its command line), `temporary` and `shared` (files in /tmp and /dev/shm). A try that gets somewhere returns what it got.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

X86 = os.uname().machine == "x86_64"
"""Otherwise it is aarch64: numbers of system calls differ."""
LIBC = ctypes.CDLL(None, use_errno=True)
TRIES: dict[str, Callable[[dict[str, Any]], Any]] = {}


def attempt(work: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    TRIES[work.__name__] = work
    return work


def call(name: str, *arguments: Any) -> int:
    result: int = getattr(LIBC, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(64) or b"empty"


@attempt
def use_inherited_descriptors(wanted: dict[str, Any]) -> Any:
    """The first of all: others leave some of their own open."""
    mine = [int(name) for name in os.listdir("/proc/self/fd")]
    kept = []
    for number in mine:
        try:
            kept += [os.readlink(f"/proc/self/fd/{number}")] if number > 2 and os.fstat(number) else []
        except OSError:
            continue
    return kept


@attempt
def read_the_home(wanted: dict[str, Any]) -> Any:
    return read(wanted["secret"])


@attempt
def read_a_neighbour(wanted: dict[str, Any]) -> Any:
    return read(wanted["neighbour"])


@attempt
def read_the_key_of_the_host(wanted: dict[str, Any]) -> Any:
    return read(wanted["key"])


@attempt
def read_temporary_files(wanted: dict[str, Any]) -> Any:
    return read(wanted["temporary"])


@attempt
def read_shared_memory(wanted: dict[str, Any]) -> Any:
    return read(wanted["shared"])


@attempt
def read_password_hashes(wanted: dict[str, Any]) -> Any:
    return [line for line in read("/etc/shadow").decode().splitlines() if line.split(":")[1][:1] == "$"]


@attempt
def connect_to_the_host(wanted: dict[str, Any]) -> Any:
    reached = []
    for path in wanted["sockets"]:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(path)
                reached.append(path)
            except OSError:
                continue
    return reached


@attempt
def signal_an_outsider(wanted: dict[str, Any]) -> Any:
    os.kill(wanted["outside"], 0)
    return "signalled"


@attempt
def see_an_outsider(wanted: dict[str, Any]) -> Any:
    seen = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) != os.getpid():
            try:
                seen += [pid] if wanted["marker"].encode() in read(f"/proc/{pid}/cmdline") else []
            except OSError:
                continue
    return seen


@attempt
def kill_init(wanted: dict[str, Any]) -> Any:
    os.kill(1, 9)
    time.sleep(0.01)
    return None  # it is still there, or nobody would read this


@attempt
def trace_init(wanted: dict[str, Any]) -> Any:
    return call("ptrace", 16, 1, 0, 0)


@attempt
def read_the_memory_of_init(wanted: dict[str, Any]) -> Any:
    return read("/proc/1/mem")


@attempt
def read_the_environment_of_init(wanted: dict[str, Any]) -> Any:
    return read("/proc/1/environ")


@attempt
def leave_by_the_root_of_init(wanted: dict[str, Any]) -> Any:
    return read("/proc/1/root" + wanted["secret"])


@attempt
def leave_by_the_directory_of_init(wanted: dict[str, Any]) -> Any:
    return read("/proc/1/cwd" + wanted["secret"])


@attempt
def leave_by_the_descriptors_of_init(wanted: dict[str, Any]) -> Any:
    return [os.readlink(f"/proc/1/fd/{name}") for name in os.listdir("/proc/1/fd")]


@attempt
def overwrite_the_interpreter_of_init(wanted: dict[str, Any]) -> Any:
    return os.open("/proc/1/exe", os.O_WRONLY)


@attempt
def leave_by_chroot(wanted: dict[str, Any]) -> Any:
    pid = os.fork()
    if pid == 0:
        try:
            here = os.open("/", os.O_RDONLY)
            os.makedirs("/tmp/cell", exist_ok=True)
            os.chroot("/tmp/cell")
            os.fchdir(here)
            for _ in range(40):
                os.chdir("..")
            os.chroot(".")
            read(wanted["secret"])
        except OSError:
            os._exit(0)
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or None


@attempt
def mount_something(wanted: dict[str, Any]) -> Any:
    return call("mount", b"none", b"/mnt", b"tmpfs", 0, None)


@attempt
def unmount_what_hides(wanted: dict[str, Any]) -> Any:
    return call("umount2", b"/proc/sys", 2)


@attempt
def unmount_what_hides_in_a_namespace(wanted: dict[str, Any]) -> Any:
    done = subprocess.run(["unshare", "-Urm", "umount", "/proc/sys"], capture_output=True, check=False)
    return None if done.returncode else "unmounted"


@attempt
def see_all_processes_in_a_namespace(wanted: dict[str, Any]) -> Any:
    script = f"mount -t proc proc /mnt && grep -al {wanted['marker']}x /mnt/*/cmdline"
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, check=False)
    return done.stdout.decode() or None


@attempt
def make_a_device(wanted: dict[str, Any]) -> Any:
    os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0))
    return read("/tmp/disk")


@attempt
def open_devices(wanted: dict[str, Any]) -> Any:
    found = [name for name in ("vda", "sda", "nvme0n1", "mem", "kmsg", "kvm", "fuse") if os.path.exists(f"/dev/{name}")]
    return [name for name in found if read(f"/dev/{name}")]


@attempt
def use_terminals_of_others(wanted: dict[str, Any]) -> Any:
    return [name for name in os.listdir("/dev/pts") if name != "ptmx"]


@attempt
def become_root_by_setuid(wanted: dict[str, Any]) -> Any:
    program = "/tmp/setuid-id"
    shutil.copy("/usr/bin/id", program)
    os.chmod(program, 0o4755)
    how = {"user": 12345} if os.geteuid() == 0 else {}
    said = subprocess.run([program, "-u"], capture_output=True, check=True, **how).stdout.strip()  # type: ignore[call-overload]
    return None if said in (b"12345", str(os.geteuid()).encode()) else said.decode()


@attempt
def gain_rights_at_exec(wanted: dict[str, Any]) -> Any:
    status = read_all("/proc/self/status")
    return None if "NoNewPrivs:\t1" in status else "may gain rights"


@attempt
def change_the_kernel(wanted: dict[str, Any]) -> Any:
    with open("/proc/sys/kernel/core_pattern", "w") as file:
        return file.write("core\n")


@attempt
def press_the_magic_key(wanted: dict[str, Any]) -> Any:
    with open("/proc/sysrq-trigger", "w") as file:
        return file.write("?")


@attempt
def load_a_module(wanted: dict[str, Any]) -> Any:
    return call("syscall", 313, -1, b"", 0)


@attempt
def set_the_clock(wanted: dict[str, Any]) -> Any:
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return "set"


@attempt
def listen_to_the_network(wanted: dict[str, Any]) -> Any:
    return str(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))


@attempt
def open_a_file_by_its_number(wanted: dict[str, Any]) -> Any:
    handle = (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(4)
    return call("open_by_handle_at", os.open("/", os.O_RDONLY), handle, 0)


@attempt
def load_a_program_into_the_kernel(wanted: dict[str, Any]) -> Any:
    return call("syscall", 321, 5, bytes(128), 128)


@attempt
def follow_a_link_out(wanted: dict[str, Any]) -> Any:
    os.symlink(wanted["secret"], "/tmp/link")
    return read("/tmp/link")


@attempt
def climb_out(wanted: dict[str, Any]) -> Any:
    return read("../" * 60 + wanted["secret"].lstrip("/"))


@attempt
def enter_the_namespaces_of_init(wanted: dict[str, Any]) -> Any:
    os.open("/proc/1/ns/user", os.O_RDONLY)
    return "opened"


@attempt
def raise_a_limit(wanted: dict[str, Any]) -> Any:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard + 1))
    return "raised"


@attempt
def make_a_user_namespace(wanted: dict[str, Any]) -> Any:
    pid = os.fork()
    if pid == 0:
        os._exit(LIBC.unshare(0x1000_0000) == 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or None


@attempt
def make_a_user_namespace_by_clone(wanted: dict[str, Any]) -> Any:
    pid = call("syscall", 56 if X86 else 220, 0x1000_0000 | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)


@attempt
def make_a_user_namespace_by_clone3(wanted: dict[str, Any]) -> Any:
    arguments = (0x1000_0000).to_bytes(8, "little") + bytes(24) + (17).to_bytes(8, "little") + bytes(24)
    pid = call("syscall", 435, arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)


@attempt
def set_up_io_uring(wanted: dict[str, Any]) -> Any:
    return call("syscall", 425, 4, bytes(120))


@attempt
def handle_page_faults(wanted: dict[str, Any]) -> Any:
    return call("syscall", 323 if X86 else 282, 1)


@attempt
def keep_a_key(wanted: dict[str, Any]) -> Any:
    return call("syscall", 248 if X86 else 217, b"user", b"name", b"value", 5, -3)


@attempt
def search_the_keyring_of_the_user(wanted: dict[str, Any]) -> Any:
    return call("syscall", 250 if X86 else 219, 10, -4, b"user", b"name", 0)


@attempt
def measure_the_processor(wanted: dict[str, Any]) -> Any:
    attributes = (1).to_bytes(4, "little") + (112).to_bytes(4, "little") + bytes(104)
    return call("syscall", 298 if X86 else 241, attributes, 0, -1, -1, 0)


@attempt
def make_a_map_for_the_kernel(wanted: dict[str, Any]) -> Any:
    sizes = b"".join(number.to_bytes(4, "little") for number in (2, 4, 4, 1, 0))
    return call("syscall", 321 if X86 else 280, 0, sizes + bytes(100), 120)


@attempt
def talk_to_the_hypervisor(wanted: dict[str, Any]) -> Any:
    return str(socket.socket(40, socket.SOCK_STREAM))


@attempt
def use_the_cryptography_of_the_kernel(wanted: dict[str, Any]) -> Any:
    return str(socket.socket(38, socket.SOCK_SEQPACKET))


@attempt
def type_on_a_terminal(wanted: dict[str, Any]) -> Any:
    pid, master = os.forkpty()
    if pid == 0:
        try:
            fcntl.ioctl(0, termios.TIOCSTI, b"x")
        except OSError:
            os._exit(0)
        os._exit(7)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(master)
    return code or None


@attempt
def trace_an_outsider(wanted: dict[str, Any]) -> Any:
    return call("ptrace", 16, wanted["outside"], 0, 0)


@attempt
def read_the_memory_of_an_outsider(wanted: dict[str, Any]) -> Any:
    return call("syscall", 310 if X86 else 270, wanted["outside"], bytes(16), 0, bytes(16), 0, 0)


@attempt
def hold_an_outsider(wanted: dict[str, Any]) -> Any:
    return call("syscall", 434, wanted["outside"], 0)


@attempt
def call_the_kernel_as_a_32_bit_program(wanted: dict[str, Any]) -> Any:
    if not X86:
        return None
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(bytes.fromhex("b814000000cd80c3"))  # getpid
    entry = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    pid = os.fork()
    if pid == 0:
        os._exit(ctypes.CFUNCTYPE(ctypes.c_int)(entry)() > 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1 or None


@attempt
def make_devices_elsewhere(wanted: dict[str, Any]) -> Any:
    made = []
    for directory in ("/dev", "/dev/shm", "/workspace", "/var/tmp", "/usr"):
        try:
            os.mknod(f"{directory}/disk", 0o20600, os.makedev(1, 1))
            made.append(read(f"{directory}/disk"))
        except OSError:
            continue
    return made


@attempt
def share_mounts_with_the_outside(wanted: dict[str, Any]) -> Any:
    return call("mount", None, b"/", None, 1 << 20, None)


@attempt
def mount_by_descriptors(wanted: dict[str, Any]) -> Any:
    return call("syscall", 430, b"tmpfs", 0)


@attempt
def clone_a_mount(wanted: dict[str, Any]) -> Any:
    return call("syscall", 428, -100, b"/proc/sys", 1)


@attempt
def write_to_control_groups(wanted: dict[str, Any]) -> Any:
    return [name for _, _, files in os.walk("/sys") for name in files]


@attempt
def have_a_handler_run_for_crashes(wanted: dict[str, Any]) -> Any:
    for name in ("kernel/modprobe", "kernel/hotplug", "fs/binfmt_misc/register", "vm/panic_on_oom"):
        try:
            with open(f"/proc/sys/{name}", "w") as file:
                return file.write("/tmp/x\n")
        except OSError:
            continue
    return None


@attempt
def hold_a_device_of_the_machine(wanted: dict[str, Any]) -> Any:
    """Root may change the mode of what it holds open, and with it that of the machine's own /dev/null."""
    own = os.stat("/dev/null")
    held = [os.fstat(number) for number in range(3)]
    return [
        (found.st_dev, found.st_ino)
        for found in held
        if found.st_rdev == own.st_rdev and os.geteuid() == 0 and not os.path.samestat(found, own)
    ]


@attempt
def read_the_log_of_the_kernel(wanted: dict[str, Any]) -> Any:
    return call("klogctl", 3, bytes(4096), 4096)


@attempt
def run_before_all_others(wanted: dict[str, Any]) -> Any:
    """Each of these has brought machines to a standstill; all are asked for, and none is to be had."""
    got = []
    for name, work in (
        ("nice", lambda: os.nice(-1)),
        ("real-time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
        ("immortal", lambda: write("/proc/self/oom_score_adj", "-1000")),
        ("input first", lambda: call("syscall", 251 if X86 else 30, 1, 0, 1 << 13)),
    ):
        try:
            work()
            got.append(name)
        except OSError:
            continue
    return got


@attempt
def change_the_network(wanted: dict[str, Any]) -> Any:
    with socket.socket() as sock:
        request = struct.pack("16sh22x", b"lo", 0)
        now = fcntl.ioctl(sock, 0x8913, request)
        return fcntl.ioctl(sock, 0x8914, now)


@attempt
def see_shared_memory_of_outsiders(wanted: dict[str, Any]) -> Any:
    return [line for name in ("shm", "sem", "msg") for line in read_all(f"/proc/sysvipc/{name}").splitlines()[1:]]


@attempt
def make_a_mount_writable(wanted: dict[str, Any]) -> Any:
    attributes = struct.pack("QQQQ", 0, 1, 0, 0)  # MOUNT_ATTR_RDONLY is taken away
    return call("syscall", 442, -100, b"/proc/sys", 0, attributes, len(attributes)) == 0


@attempt
def take_the_machine_down(wanted: dict[str, Any]) -> Any:
    got = []
    for name, arguments in (
        ("reboot", (0xFEE1DEAD, 672274793, 0)),  # Ctrl-Alt-Delete does not restart at once: the mildest of them
        ("swapoff", (b"/dev/null",)),
        ("acct", (b"/tmp/account",)),
        ("sethostname", (b"x", -1)),
    ):
        try:
            call(
                "syscall" if name == "reboot" else name,
                *((169 if X86 else 142,) if name == "reboot" else ()),
                *arguments,
            )
            got.append(name)
        except OSError as error:
            got += [name] if error.errno == errno.EINVAL and name != "sethostname" else []
    return got


@attempt
def drive_the_hardware(wanted: dict[str, Any]) -> Any:
    return call("ioperm", 0x80, 1, 1) == 0 if X86 else None


@attempt
def replace_its_own_root(wanted: dict[str, Any]) -> Any:
    os.makedirs("/tmp/new/old", exist_ok=True)
    return call("syscall", 155 if X86 else 41, b"/tmp/new", b"/tmp/new/old") == 0


@attempt
def be_told_of_files_elsewhere(wanted: dict[str, Any]) -> Any:
    descriptor = call("fanotify_init", 0, 0)
    return call("fanotify_mark", descriptor, 0x11, ctypes.c_uint64(0x20), -100, b"/usr") == 0  # a whole mount


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def read_all(path: str) -> str:
    with open(path) as file:
        return file.read()


def main() -> None:
    wanted = json.loads(sys.argv[1])
    outcomes = {}
    for name, work in TRIES.items():
        try:
            got = work(wanted)
            outcomes[name] = repr(got)[:200] if got else None
        except (OSError, ValueError, subprocess.SubprocessError):
            outcomes[name] = None
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
