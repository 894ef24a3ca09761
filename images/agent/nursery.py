"""The nursery of the nested tier: a process that makes one sandbox after the other (namespaces, mounts, uid, seccomp) and in each a guest that waits.

Two kinds of process run this file: the warm interpreter of a language that can fork (images/python/warm), in which a guest is then a copy of an interpreter
that has started already, and `python3 nursery.py` for all others, whose guests become another program by exec.

It takes orders on fd 3, a SOCK_SEQPACKET socket: PROTOCOL.md, "The nursery", has every message. A sandbox is two processes of a new PID namespace:
- init, PID 1, a child of the agent itself (CLONE_PARENT). Root of the pod's user namespace; it mounts, starts the guest, reaps, tells how the guest ended, and
  leaves: then the kernel kills what is left. Nobody inside may signal or trace it.
- the guest: a uid of its own, no capability, no_new_privs, the seccomp filter, stdio and fd 3 as in PROTOCOL.md.

Whoever is forked from here must look as if this file had never been: so only C modules, which are taken out of sys.modules again, and no module of ctypes.
"""
import os
import sys

_loaded, _importers = set(sys.modules), dict(sys.path_importer_cache)
import _ctypes  # noqa: E402
import _signal  # noqa: E402
import _socket  # noqa: E402

for _name in set(sys.modules) - _loaded:
    del sys.modules[_name]
sys.path_importer_cache.clear()
sys.path_importer_cache.update(_importers)

CONTROL_FD = 3
BIRTHS_FD = 4  # in the guest, until it is told what to run
WORK = "/tmp/work"
CLONE_PARENT, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x8000, 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MNT_DETACH = 1, 2, 4, 8, 4096, 2
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 22, 38
SYS_MOVE_MOUNT, MOVE_MOUNT_F_EMPTY_PATH, AT_FDCWD = 429, 4, -100
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT, LANDLOCK_PATH_BENEATH = 444, 445, 446, 1
_handle = _ctypes.dlopen(None, 0)
_addresses = {name: _ctypes.dlsym(_handle, name) for name in ("mount", "umount2", "prctl", "setns", "syscall", "perror")}


def call(name, *arguments):
    """A function of libc with int, bytes and None as arguments. The reason of a failure goes to standard error, which the agent reads."""
    result = _ctypes.call_function(_addresses[name], arguments)
    if result < 0:
        _ctypes.call_function(_addresses["perror"], (("%s%r" % (name, arguments)).encode()[:300],))
        raise OSError("%s failed" % name)
    return result


def receive(control):
    """(fields, descriptors) of a message; ends with the agent."""
    data, ancillary, _flags, _address = control.recvmsg(1 << 17, _socket.CMSG_SPACE(8 * 4))
    if not data:
        os._exit(0)
    fields, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at:at + 4], sys.byteorder)
        fields.append(data[at + 4:end])
        at = end
    fds = [int.from_bytes(block[at:at + 4], sys.byteorder) for _level, _type, block in ancillary for at in range(0, len(block) - 3, 4)]
    return fields, fds


def serve():
    """Makes sandboxes until the agent is gone. Returns in each guest, with what its order says that it becomes at once: [path, command, env] or []."""
    control = _socket.socket(fileno=CONTROL_FD)
    (code, hidden, *landlock), (births, deaths) = receive(control)
    # struct sock_fprog: the number of instructions, and where a bytes object keeps its data.
    program = (len(code) // 8).to_bytes(8, sys.byteorder) + (id(code) + bytes.__basicsize__ - 1).to_bytes(8, sys.byteorder)
    clone = SYS_CLONE[os.uname().machine]
    covers = [cover(path) for path in hidden.split(b"\0")[:-1]]
    os.chdir("/")
    call("umount2", b"/tmp", MNT_DETACH)
    flags = CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | _signal.SIGCHLD
    while True:
        (serial, uid, phases, *becomes), fds = receive(control)
        # Not os.fork: that has no flags. Nothing of Python's own state needs a fork handler here, the guest's fork has them.
        if call("syscall", clone, flags, 0, 0, 0, 0) == 0:
            try:
                control.detach()
                run_init(serial, int(uid), int(phases), fds, births, deaths, program, covers, landlock)
                return becomes
            except BaseException as error:
                tell(births, error)
        for fd in fds:
            os.close(fd)


def tell(births, error):
    """Ends an init or a guest that could not be set up, with a word to the agent."""
    for fd in (births, BIRTHS_FD):
        try:
            os.write(fd, ("! %s: %s" % (type(error).__name__, error)).encode("utf-8", "replace")[:1000])
            break
        except OSError:
            continue
    os._exit(127)


def cover(path):
    """The arguments of the mount that hides a file or folder."""
    return (b"tmpfs", path, b"tmpfs", MS_RDONLY, b"size=4k,mode=555") if os.path.isdir(path) else (b"/dev/null", path, None, MS_BIND, None)


def run_init(serial, uid, phases, fds, births, deaths, program, covers, landlock):
    """PID 1 of a sandbox. Returns in its guests only."""
    stdin, stdout, stderr, words, tmpfs, network = fds
    call("setns", network, CLONE_NEWNET)
    # One tmpfs with one size for both folders. Its root is covered by the last of these.
    call("syscall", SYS_MOVE_MOUNT, tmpfs, b"", AT_FDCWD, b"/dev/shm", MOVE_MOUNT_F_EMPTY_PATH)
    call("mount", b"/dev/shm/tmp", b"/tmp", None, MS_BIND, None)
    call("mount", b"/dev/shm/shm", b"/dev/shm", None, MS_BIND, None)
    call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    for arguments in covers:
        call("mount", *arguments)
    call("mount", b"devpts", b"/dev/pts", b"devpts", MS_NOSUID | MS_NOEXEC, b"newinstance,ptmxmode=0666,mode=0620,max=64")
    for phase in range(phases):
        guest = os.fork()
        if guest == 0:
            os.setsid()
            return become_guest(serial, uid, (stdin, stdout, stderr, words, births), program, landlock)
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # no handler: PID 1 is then immune to every signal from inside
        if phase == phases - 1:
            for fd in fds:
                os.close(fd)
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == guest:
                break
        kill_all()  # the kernel would do it as well, but what they used would not be counted
        os.write(deaths, b"%s %d" % (serial, status))
    os._exit(0)


def kill_all():
    """Everything in this PID namespace but its init, which calls."""
    try:
        while True:
            os.kill(-1, _signal.SIGKILL)
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def become_guest(serial, uid, fds, program, landlock):
    *stdio, births = fds
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    if births != BIRTHS_FD:
        os.dup2(births, BIRTHS_FD)
    os.set_inheritable(BIRTHS_FD, False)
    os.closerange(BIRTHS_FD + 1, 1 << 20)
    os.chdir(WORK)
    os.setgroups(())  # the agent has root's group
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)                  # takes every capability away
    call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # as any program is: its own /proc/self belongs to it
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if landlock[0]:
        restrict_files(*landlock)
    call("prctl", PR_SET_SECCOMP, 2, program, 0, 0)
    os.write(BIRTHS_FD, serial)                  # the kernel adds the pid


def restrict_files(attributes, paths, rights):
    """Landlock on the calling process, for good; agent.py says which rules and why. Paths are those of this sandbox, so its own /tmp and /proc are meant."""
    ruleset = call("syscall", SYS_LANDLOCK_CREATE, attributes, len(attributes), 0)
    for at, path in enumerate(paths.split(b"\0")[:-1]):
        try:
            fd = os.open(path, os.O_PATH)
        except OSError:  # a link that leads nowhere, a place that this kernel or image does not have
            continue
        if os.path.isdir(path):
            call("syscall", SYS_LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, rights[8 * at:8 * at + 8] + fd.to_bytes(4, sys.byteorder), 0)
        os.close(fd)
    call("syscall", SYS_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def become(path, command, env):
    """exec, with signals as a shell would leave them. Whatever goes wrong is told to the agent."""
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execve(path, command, env)
    except OSError as error:
        tell(BIRTHS_FD, error)


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(CONTROL_FD, 65536)
        if not chunk:
            os._exit(0)  # nobody will bring a program
        line += chunk
    os.close(CONTROL_FD)
    return eval(line.decode().strip(), {"__builtins__": {}})


def main():
    becomes = serve()
    if becomes:
        path, command, env = becomes
        become(path, command.split(b"\0")[:-1], dict(pair.split(b"=", 1) for pair in env.split(b"\0")[:-1]))
    program = read_line()
    become(program["path"], program["command"], program["env"])


if __name__ == "__main__":
    main()
