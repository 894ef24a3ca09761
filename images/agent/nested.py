# One file, longer than 300 lines: the nested half of the one-file agent. It is loaded by it, and only with --slots.
"""Many executions in one pod, each in a sandbox of its own that is made for it and destroyed after it.

The agent (S, this process) is PID 1 as root of the pod's own user namespace, with CAP_SYS_ADMIN, SETUID, SETGID and KILL, and holds the stream. It never becomes a
guest. A nursery (nursery.py) makes sandboxes on order; each has an init, which is a child of S, and a guest that waits for its program. Up to `slots` sandboxes
live at a time. What S knows of a sandbox comes from the kernel (pid by SCM_CREDENTIALS, rusage by wait4) and from its init, never from a guest.

The rules of an execution (limits, first cause, results) are those of agent.py; here is what differs: its end is waited for in the loop, and output takes turns.
"""
import collections, ctypes, gc, os, resource, select, signal, socket, struct, sys, time  # noqa: E401

import agent
from agent import CHUNK_BYTES, LIBC, SWEEP_S, WARM_ATTEMPTS, WARM_START_S, Execution, FrameError, Guest, Meter, Outlet, Pipes, encode_frame

UIDS = range(10_000, 65_000)        # a user namespace of the kubelet has 65536; the lower ones may own files of an image
ROOM_BYTES = 64 * 1024              # of frames of one execution that wait for the stream: from there on its guest blocks in write
QUICK_S = 0.2                       # of CPU time: who needs more lets those go first who do not, so that these hardly notice it
BEHIND_NICE = 7                     # a fifth of the weight of the others: what computes for long still gets on where the short ones never end
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 2, 4, 8, 16384, 1 << 18, 2
# What is about the node in /sys, besides what interpreters look up to size themselves (/sys/devices/system/cpu, /sys/fs/cgroup).
HOST_FACTS = ("/sys/block", "/sys/bus", "/sys/class", "/sys/dev", "/sys/devices/virtual", "/sys/firmware", "/sys/hypervisor", "/sys/kernel", "/sys/module", "/sys/power")
# What runtimes hide of /proc in a container whose procMount is Default.
SECRETS = ["/proc/" + name for name in ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats", "sysrq-trigger")]
SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT = 430, 431, 432
FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 1, 6
MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 2, 4


def system(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *(argument if isinstance(argument, bytes) or argument is None else ctypes.c_long(argument) for argument in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "%s (system call %d)" % (os.strerror(ctypes.get_errno()), number))
    return result


def call(name, *arguments):
    """A function of libc that gives 0 when it succeeds."""
    if LIBC[name](*arguments) != 0:
        raise OSError(ctypes.get_errno(), "%s%r: %s" % (name, arguments, os.strerror(ctypes.get_errno())))


def network_namespaces(count):
    """Descriptors of that many empty network namespaces. The caller stays in yet another: it needs no network either."""
    found = []
    for _ in range(count):
        call("unshare", CLONE_NEWNET)
        found.append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    call("unshare", CLONE_NEWNET)
    return found


class ActingFor:
    """File system rights of a guest: what is created is the guest's, and its /proc entries can be read. Without CAP_CHOWN and CAP_SYS_PTRACE."""

    def __init__(self, uid):
        self.uid = uid

    def __enter__(self):
        LIBC.setfsgid(self.uid)
        LIBC.setfsuid(self.uid)

    def __exit__(self, *_):
        LIBC.setfsuid(0)
        LIBC.setfsgid(0)


def make_tmpfs(uid, size):
    """A descriptor of a new tmpfs that is mounted nowhere yet, with the folders `tmp/work` and `shm` of that uid."""
    context = system(SYS_FSOPEN, b"tmpfs", 1)
    try:
        for name, value in ((b"size", size), (b"nr_inodes", size // 256), (b"uid", uid), (b"gid", uid), (b"mode", "755")):
            system(SYS_FSCONFIG, context, FSCONFIG_SET_STRING, name, str(value).encode(), 0)
        system(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
        folder = system(SYS_FSMOUNT, context, 1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    finally:
        os.close(context)
    with ActingFor(uid):
        for name in ("tmp", "tmp/work", "shm"):
            os.mkdir(name, 0o755, dir_fd=folder)
    return folder


def set_guest_limits(pid, uid, values):
    """prlimit asks for the caller's real uid and gid to be the target's, or CAP_SYS_RESOURCE. The guest cannot make use of the moment: S is not in its PID namespace."""
    os.setresgid(uid, -1, -1)
    os.setresuid(uid, -1, -1)
    try:
        agent.set_limits(pid, values)
    finally:
        os.setresuid(0, -1, -1)
        os.setresgid(0, -1, -1)


def put_behind(uid):
    """All processes of a guest, and what they start later. setpriority asks for the caller's effective uid to be theirs, or CAP_SYS_NICE."""
    os.setresuid(-1, uid, -1)
    try:
        os.setpriority(os.PRIO_USER, uid, BEHIND_NICE)
    except ProcessLookupError:  # it has just ended
        pass
    finally:
        os.setresuid(-1, 0, -1)


def prepare_mounts():
    """A mount namespace for the caller with little in it, since every sandbox copies all of it. (/tmp goes when the nursery needs its work folder no more.)"""
    call("unshare", CLONE_NEWNS)
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4] for line in mounts]
    for point in reversed(points):
        if point in ("/dev/shm", "/dev/mqueue") or point.startswith("/sys/fs/"):
            call("umount2", point.encode(), MNT_DETACH)
    for folder in HOST_FACTS:
        if os.path.isdir(folder):
            call("mount", b"tmpfs", folder.encode(), b"tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, b"size=4k,mode=555")
    if not os.path.isdir("/dev/shm"):
        raise OSError("there is no folder /dev/shm")


def encode_fields(*fields):
    """A message to a nursery (PROTOCOL.md, "The nursery"). A list of strings is one field."""
    parts = [b"".join(part.encode("utf-8", "surrogateescape") + b"\0" for part in field) if isinstance(field, (list, tuple)) else field for field in fields]
    return b"".join(struct.pack("=I", len(part)) + part for part in parts)


def start_nursery_process(command, env, folder, pipes, control):
    """As agent.spawn starts a guest, but without what a guest has to give up. Returns its pid once it has become `command`."""
    def become():
        for target, fd in enumerate((pipes.guest_stdin, pipes.guest_stdout, pipes.guest_stderr, control)):
            os.dup2(fd, target)
        prepare_mounts()
        os.chdir(folder)
        agent.reset_signals()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.execve(agent.locate(command[0]), command, env)

    return agent.start_child(command[0], pipes, become)


class Sandbox:
    """One sandbox, from its order to the end of its init."""

    def __init__(self, serial, uid, network, warm, tmp_bytes):
        self.serial, self.uid, self.network, self.warm = serial, uid, network, warm
        with ActingFor(uid):  # programs open /dev/stdin and /dev/stdout by name
            self.pipes = Pipes(program=True)
        os.set_blocking(self.pipes.program, False)
        self.tmpfs = make_tmpfs(uid, tmp_bytes)
        self.pid = self.guest_pid = 0   # of init, of the guest: in the namespace of S, known from its birth
        self.execution = self.status = None     # who runs in it, how its guest ended
        self.killed = False

    def kill(self):
        self.killed = True
        os.kill(self.pid, signal.SIGKILL)

    def close(self):
        self.pipes.close()
        os.close(self.tmpfs)

    def tmpfs_bytes(self):
        facts = os.statvfs(self.tmpfs)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize + (facts.f_files - facts.f_ffree) * agent.INODE_BYTES

    def socket_bytes(self):
        try:
            with open("/proc/%d/net/sockstat" % self.pid, "rb") as source:
                return max(0, int(source.readline().split()[2]) - agent.FREE_SOCKETS) * agent.SOCKET_BYTES
        except (OSError, IndexError, ValueError):
            return 0


class SandboxMeter(Meter):
    """What one sandbox uses: all processes of its PID namespace, its tmpfs, its sockets."""

    def __init__(self, nested, memory_limit):
        super().__init__(nested.container, None, memory_limit)
        self.nested, self.sandbox = nested, None
        self.floor = 0 if nested.forks else nested.nursery_bytes  # a copy of a warm interpreter is that interpreter
        self.kills_before = nested.container.kills()

    def begin(self, sandbox):
        self.sandbox = sandbox
        guest = Guest(sandbox.guest_pid, None)
        guest.cpu_before = guest.cpu_so_far()
        self.cpu_before = guest.cpu_before + Guest(sandbox.pid, None).cpu_so_far()
        self.tmpfs_before = sandbox.tmpfs_bytes()
        return guest.cpu_before

    def kernel_killed(self):
        """Whether the kernel has killed for lack of memory in this pod since the execution began."""
        return self.container.kills() > self.kills_before

    def settle(self):
        """The init's rusage lacks what was killed together with it; the last look may lack what ran after it."""
        self.reaped_cpu, self.live_cpu = max(self.reaped_cpu, self.live_cpu), 0.0

    def look(self):
        processes = self.nested.processes_of(self.sandbox)
        self.count_cpu(processes)
        processes.pop(self.sandbox.pid, None)
        files, sockets = self.sandbox.tmpfs_bytes() - self.tmpfs_before, self.sandbox.socket_bytes()
        used = sum(facts[2] for facts in processes.values()) + files + sockets
        if used > self.limit:
            with ActingFor(self.sandbox.uid):
                anonymous, shared = agent.proportional_memory(processes)
            used = anonymous + sockets + max(shared, files)
        if processes:
            self.peak = max(self.peak, used - sockets)
        self.interval = self.pause(self.limit - used)
        return used > self.limit


class FairOutlet(Outlet):
    """Frames of different executions take turns, one each. An execution with ROOM_BYTES waiting is told to pause until half of that has gone."""

    def __init__(self, loop, fd):
        super().__init__(loop, fd)
        self.queues, self.turns, self.held = {}, collections.deque(), collections.Counter()
        self.paused = {}    # execution id: what to call when there is room again

    def send(self, data, hold=0.0, execution_id=None):
        queue = self.queues.get(execution_id)
        if queue is None:
            queue = self.queues[execution_id] = collections.deque()
            self.turns.append(execution_id)
        queue.append(data)
        self.held[execution_id] += len(data)
        if not hold or self.held[execution_id] > CHUNK_BYTES:
            self.flush()
        elif "flush" not in self.loop.timers:
            self.loop.at("flush", time.monotonic() + hold, self.flush)

    def full(self, execution_id):
        return self.held[execution_id] >= ROOM_BYTES

    def fill(self):
        """One frame after the other into `waiting`, until there is enough for a write."""
        while self.turns and len(self.waiting) < CHUNK_BYTES:
            execution_id = self.turns.popleft()
            queue = self.queues[execution_id]
            data = queue.popleft()
            self.waiting += data
            self.held[execution_id] -= len(data)
            if queue:
                self.turns.append(execution_id)
            else:
                del self.queues[execution_id], self.held[execution_id]
            if execution_id in self.paused and self.held[execution_id] < ROOM_BYTES // 2:
                self.paused.pop(execution_id)()

    def flush(self, _events=0):
        self.loop.cancel("flush")
        try:
            while True:
                self.fill()
                if not self.waiting:
                    return self.loop.forget(self.fd)
                del self.waiting[:os.write(self.fd, self.waiting)]
        except BlockingIOError:
            self.loop.watch(self.fd, select.EPOLLOUT, self.flush)
        except OSError:  # nobody reads any more: EOF on stdin will say so
            self.waiting.clear()
            self.queues.clear()
            self.turns.clear()
            self.loop.forget(self.fd)


class NestedExecution(Execution):
    """Its guest ends with its sandbox: `gone` is the one place from which a result is sent."""

    def __init__(self, nested, frame):
        super().__init__(nested, frame)
        self.meter = SandboxMeter(nested, self.limits["memoryBytes"])
        self.sandbox, self.refused = None, False
        self.line = b""
        self.guest = Guest(0, None)
        self.reading = self.behind = False

    @property
    def warm(self):
        """Whether it runs in the warm guest. In an interpreter that forks even what starts cold has one, which then becomes another program."""
        language = self.agent.language
        return bool(language.warm) and (self.agent.forks or not self.cold)

    @property
    def cold(self):
        language = self.agent.language
        return bool(language.compile) or not language.warm or language.needs_cold_start(self.frame["env"])

    # -- start

    def start(self, sandbox):
        self.sandbox, sandbox.execution = sandbox, self
        self.guest = Guest(sandbox.guest_pid, sandbox.pipes)
        folder, cpu_before = "/proc/self/fd/%d/tmp/work" % sandbox.tmpfs, self.meter.begin(sandbox)
        try:
            with ActingFor(sandbox.uid):
                agent.write_files(folder, self.frame["files"], self.agent.language.file, self.frame["code"])
        except OSError as error:
            return self.refuse("cannot write the files: %s" % str(error).replace(folder, self.agent.work))
        self.begin()
        self.reading = True
        self.watch()
        if self.agent.language.compile:
            self.phase = "compile"
            self.release(self.agent.language.compile, cpu_before)
        else:
            self.release(self.agent.language.run + self.frame["args"] if self.cold else None, cpu_before)

    def release(self, command, cpu_before):
        """Lets the guest that waits go on: with its program, or by becoming `command`."""
        limits = agent.guest_limits(self.limits, cpu_before)
        limits[resource.RLIMIT_NPROC] = self.limits["processes"]  # nobody else has this uid
        try:
            set_guest_limits(self.guest.pid, self.sandbox.uid, limits)
        except ProcessLookupError:  # it has died while it waited, which init reports
            return
        if command is None:
            words = {"args": self.frame["args"], "env": self.frame["env"], "cwd": self.agent.work}
        else:
            words = {"path": agent.locate(command[0]), "command": command, "env": self.agent.language.environment(self.frame["env"])}
        self.line = encode_frame(words)
        self.tell()
        self.feed()

    def tell(self, _events=0):
        fd = self.guest.pipes.program
        try:
            while self.line:
                self.line = self.line[os.write(fd, self.line):]
        except BlockingIOError:
            return self.loop.watch(fd, select.EPOLLOUT, self.tell)
        except OSError:  # it has died while it waited
            self.line = b""
        self.loop.forget(fd)
        if self.phase == "run":
            self.guest.pipes.close_one("program")

    def feed(self, _events=0):
        if self.phase == "run":
            super().feed()

    def refuse(self, message):
        self.refused = True
        self.say_refused(message)
        self.sandbox.kill()

    # -- while it runs

    def watch(self):
        pipes = self.guest.pipes
        for stream in ("stdout", "stderr"):
            if self.reading and getattr(pipes, stream) >= 0:
                self.loop.watch(getattr(pipes, stream), select.EPOLLIN, lambda _, stream=stream: self.take(stream))

    def take(self, stream):
        if self.guest.pipes is None:
            return False
        more = super().take(stream)
        if self.reading and self.agent.outlet.full(self.id):
            for fd in (self.guest.pipes.stdout, self.guest.pipes.stderr):
                self.loop.forget(fd)
            self.agent.outlet.paused[self.id] = self.watch
        return more

    def look_later(self):
        self.agent.look_within(self.meter.interval)

    def look(self):
        if self.cause is None and self.reading:
            super().look()
            if not self.behind and self.meter.cpu >= QUICK_S:
                self.behind = True
                put_behind(self.sandbox.uid)

    def stop(self, cause):
        if self.cause is not None:
            return
        self.cause = cause
        if self.sandbox is None:  # still in the queue
            self.began = time.monotonic()
            return self.finish()
        if cause not in ("memory", "cpu_time"):  # what is killed with its init is not in the init's rusage
            self.agent.table = agent.guest_processes()
            self.meter.look()
        self.sandbox.kill()
        self.loop.at((self.id, "end"), time.monotonic() + SWEEP_S, lambda: self.agent.fault(self.id, "a sandbox cannot be ended"))

    # -- the end

    def compiler_ended(self, status):
        """The end of the first of two phases; init has killed what it left, and made the next guest."""
        self.guest.status = status
        if self.cause is None:
            self.meter.look()
            self.conclude()

    def compiled(self):
        """From conclude: the compiler was content."""
        self.phase, self.guest.status = "run", None
        if self.sandbox.guest_pid != self.guest.pid:
            self.run_compiled()

    def run_compiled(self):
        self.guest.pid = self.sandbox.guest_pid
        self.release(self.agent.language.run + self.frame["args"], 0.0)

    def gone(self, status):
        """Every process of the sandbox is dead and reaped, `status` is that of its guest, if its init could tell."""
        if self.guest.status is None:
            self.guest.status = status
        self.loop.cancel((self.id, "end"))
        if self.cause is None:
            if self.guest.status is None:
                return self.agent.fault(self.id, "an init has vanished") if not self.meter.kernel_killed() else self.finish_as("memory")
            self.conclude()
        else:
            self.finish()

    def finish_as(self, cause):
        self.cause = cause
        self.finish()

    def finish(self):
        self.reading = False
        if self.sandbox is not None and self.sandbox.pid:  # a compiler failed: its sandbox lives still, and gone() comes
            if not self.sandbox.killed:
                self.sandbox.kill()
            return
        self.agent.outlet.paused.pop(self.id, None)
        if self.refused:
            self.detach()
            return self.report(126, None)
        super().finish()

    def detach(self):
        if self.guest.pipes is None:
            return
        self.loop.forget(self.guest.pipes.program)
        super().detach()


class Nested(agent.Agent):
    """The agent with slots. It ends on EOF, SIGTERM, a fault of its own, or when nobody greets it, not after results."""

    def __init__(self, language, work, slots):
        super().__init__(language, work)
        self.slots, self.outlet = slots, FairOutlet(self.loop, 1)
        # With a compiler there are two guests, one after the other, and both become another program.
        self.forks = bool(language.nursery) and not language.compile
        self.phases = 2 if language.compile else 1
        self.serials, self.unborn, self.sandboxes = 0, {}, {}   # by serial, by pid of init
        self.waiting, self.queue = [], collections.deque()      # sandboxes, executions
        self.uids, self.networks = 0, []
        self.failures = 0
        self.retired = self.ending = False
        self.nursery_pid = self.nursery_bytes = 0
        self.scanned_at, self.table, self.next_look = 0.0, {}, 0.0

    # -- the nursery

    def prepare(self):
        facts = os.statvfs("/tmp")
        self.tmp_bytes = facts.f_blocks * facts.f_frsize    # each sandbox has a /tmp as large as the pod's own
        self.networks = network_namespaces(self.slots)
        self.start_nursery()
        self.fill()
        self.loop.at("ready", time.monotonic() + 0.002, self.watch_first)
        self.loop.at("ready deadline", time.monotonic() + WARM_START_S, lambda: self.fault(None, "no sandbox within %d s" % WARM_START_S))
        gc.enable()

    def start_nursery(self):
        kinds = socket.AF_UNIX, socket.SOCK_SEQPACKET
        (self.control, control), (self.births, births), (self.deaths, deaths) = (socket.socketpair(*kinds) for _ in range(3))
        self.births.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        for end in (self.births, self.deaths):
            end.setblocking(False)
        pipes = Pipes(program=False)
        if self.forks:
            command, env = self.language.nursery, self.language.environment(self.language.warm_env)
        else:
            here, ending = os.path.dirname(os.path.abspath(agent.__file__)), os.path.splitext(agent.__file__)[1]
            command, env = [sys.executable, "-I", "-S", "-E", os.path.join(here, "nursery" + ending)], {}
        self.nursery_pid = start_nursery_process(command, env, self.work, pipes, control.fileno())
        self.nursery_pipes = pipes
        hidden = [path for path in SECRETS if os.path.exists(path)]
        attributes, rules = agent.landlock_rules(self.work) or (b"", [])
        settings = encode_fields(self.seccomp.code, hidden, attributes, [path for path, _ in rules], struct.pack("=%dQ" % len(rules), *(rights for _, rights in rules)))
        socket.send_fds(self.control, [settings], [births.fileno(), deaths.fileno()])
        for end in (control, births, deaths):
            end.close()
        self.loop.watch(self.births.fileno(), select.EPOLLIN, self.on_birth)
        if self.phases > 1:
            self.loop.watch(self.deaths.fileno(), select.EPOLLIN, self.on_death)

    def order(self, warm):
        """Asks the nursery for one more sandbox."""
        self.serials += 1
        uid = UIDS[self.uids % len(UIDS)]
        self.uids += 1
        sandbox = Sandbox(self.serials, uid, self.networks.pop(), warm, self.tmp_bytes)
        self.unborn[sandbox.serial] = sandbox
        pipes, words = sandbox.pipes, [b"%d" % number for number in (sandbox.serial, uid, self.phases)]
        if warm and not self.forks:
            command, env = self.language.warm, self.language.environment(self.language.warm_env)
            words += [agent.locate(command[0]).encode(), command, ["%s=%s" % pair for pair in env.items()]]
        os.write(pipes.program, b" ")
        socket.send_fds(self.control, [encode_fields(*words)], [pipes.guest_stdin, pipes.guest_stdout, pipes.guest_stderr, pipes.guest_program, sandbox.tmpfs, sandbox.network])
        pipes.close_guest_ends()

    def fill(self):
        """As many sandboxes as may live, of the kind that is wanted."""
        if self.retired or self.ending:
            return
        wanted = [execution.warm for execution in self.queue]
        coming = [sandbox.warm for sandbox in (*self.waiting, *self.unborn.values())]
        for kind in coming:
            if kind in wanted:
                wanted.remove(kind)
        while self.networks:
            self.order(wanted.pop(0) if wanted else bool(self.language.warm))
        if wanted and self.waiting:  # all that wait are of the other kind
            self.waiting.pop(0).kill()

    def on_birth(self, _events=0):
        while True:
            try:
                text, ancillary, _flags, _address = self.births.recvmsg(2000, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return
            if not text:
                return self.fault(None, "the nursery has ended: %s" % self.last_words())
            pid, uid, _gid = struct.unpack("iII", ancillary[0][2])
            if text[:1] == b"!":
                self.exec_failed(uid, text[2:].decode("utf-8", "replace"))
            else:
                self.born(int(text), pid)

    def last_words(self):
        """What the nursery wrote to its standard error."""
        try:
            return os.read(self.nursery_pipes.stderr, 2000).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def born(self, serial, guest_pid):
        sandbox = self.unborn.pop(serial, None)
        if sandbox is None:  # the guest of a second phase
            sandbox = next((one for one in self.sandboxes.values() if one.serial == serial), None)
            if sandbox is not None:
                sandbox.guest_pid = guest_pid
                if sandbox.execution and sandbox.execution.phase == "run" and sandbox.execution.cause is None:
                    sandbox.execution.run_compiled()
            return
        self.failures = 0
        sandbox.guest_pid = guest_pid
        facts = agent.process_stat(guest_pid)
        if facts is None:  # it has died already: so will its init
            self.unborn[serial] = sandbox
            return
        sandbox.pid = facts[0]
        self.sandboxes[sandbox.pid] = sandbox
        self.waiting.append(sandbox)
        self.dispatch()

    def exec_failed(self, uid, message):
        """A sandbox could not be set up, or its guest not become what it should."""
        sys.stderr.write("agent: a sandbox: %s %s\n" % (message, self.last_words()))
        for sandbox in self.sandboxes.values():
            if sandbox.uid == uid and sandbox.execution:
                return self.fault(sandbox.execution.id, message)

    def count_failure(self, message):
        self.failures += 1
        if self.failures >= WARM_ATTEMPTS:
            self.fault(None, "sandboxes end before they are used: %s" % message)

    def watch_first(self):
        """Ready is said when one guest waits in the read of its program."""
        if not any(Guest(0, sandbox.pipes).waiting() for sandbox in self.waiting):
            return self.loop.at("ready", time.monotonic() + 0.002, self.watch_first)
        self.loop.cancel("ready deadline")
        self.nursery_bytes = (agent.process_stat(self.nursery_pid) or (0, 0, 0))[2]
        self.ready = True
        if self.asked:
            self.say_ready()

    def say_ready(self):
        self.asked, self.greeted = False, True
        self.container.rebase()
        self.outlet.send(encode_frame({"type": "ready", "protocol": agent.PROTOCOL_VERSION, "language": self.language.name, "version": self.version, "slots": self.slots}))

    # -- executions

    def on_execute(self, frame):
        if not self.greeted:
            return self.fault(None, "execute, but this agent is not ready")
        if self.retired or len(self.executions) >= self.slots or frame["id"] in self.executions:
            return self.fault(frame["id"], "execute, but this agent %s" % ("is retired" if self.retired else "has no slot for it"))
        execution = self.executions[frame["id"]] = NestedExecution(self, frame)
        self.queue.append(execution)
        self.dispatch()

    def dispatch(self):
        """Gives waiting sandboxes to waiting executions, first come first served."""
        for execution in list(self.queue):
            sandbox = next((one for one in self.waiting if one.warm == execution.warm), None)
            if sandbox is not None:
                self.waiting.remove(sandbox)
                self.queue.remove(execution)
                self.start(execution, sandbox)
        self.fill()

    def start(self, execution, sandbox):
        try:
            execution.start(sandbox)
        except (OSError, ValueError, FrameError) as error:
            self.fault(execution.id, "%s: %s" % (type(error).__name__, error))

    def done(self, execution, result):
        if self.executions.pop(execution.id, None):
            if execution in self.queue:
                self.queue.remove(execution)
            self.outlet.send(encode_frame(result), 0.0, execution.id)

    # -- looking at what runs

    def look_within(self, seconds):
        """One round over all executions serves every one of them."""
        when = time.monotonic() + seconds
        if "look" not in self.loop.timers or when < self.loop.timers["look"][0]:
            self.loop.at("look", when, self.look)

    def look(self):
        running = [execution for execution in self.executions.values() if execution.reading]
        self.table = agent.guest_processes() if running else {}
        for execution in running:
            execution.look()

    def processes_of(self, sandbox):
        """{pid: process_stat} of its init and all below, of the last round."""
        children = {}
        for pid, facts in self.table.items():
            children.setdefault(facts[0], []).append(pid)
        family, found = [sandbox.pid], {}
        while family:
            pid = family.pop()
            if pid in self.table:
                found[pid] = self.table[pid]
            family += children.get(pid, ())
        return found

    # -- ends

    def on_death(self, _events=0):
        """Reads what inits have told: {serial: status of its guest}."""
        told = {}
        while True:
            try:
                words = self.deaths.recv(64).split()
            except BlockingIOError:
                break
            if not words:
                break
            told[int(words[0])] = int(words[1])
        for sandbox in list(self.sandboxes.values()):
            if sandbox.serial in told:
                sandbox.status = told[sandbox.serial]
                if sandbox.execution and sandbox.execution.phase == "compile":
                    sandbox.execution.compiler_ended(sandbox.status)
                    sandbox.status = None

    def reap(self):
        while True:
            try:
                pid, _status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if self.ending:
                continue
            if pid == self.nursery_pid:
                self.fault(None, "the nursery has ended: %s" % self.last_words())
            self.on_birth()
            self.on_death()
            sandbox = self.sandboxes.pop(pid, None)
            if sandbox is not None:
                self.gone(sandbox, usage)
            elif self.unborn:
                self.count_failure(self.last_words())
                self.stillborn()

    def stillborn(self):
        """An init has ended and nobody knows which: orders are carried out one after the other, so it was most likely the oldest."""
        sandbox = self.unborn.pop(min(self.unborn))
        sandbox.close()
        self.networks.append(sandbox.network)
        self.fill()

    def gone(self, sandbox, usage):
        sandbox.pid = 0
        self.networks.append(sandbox.network)
        execution = sandbox.execution
        if sandbox in self.waiting:
            self.waiting.remove(sandbox)
            self.count_failure(self.last_words())
        if execution and self.executions.get(execution.id) is execution:
            execution.meter.reaped(usage)
            execution.gone(sandbox.status)
        sandbox.close()
        self.fill()

    def fault(self, execution_id, message):
        """With an id: this execution is lost, the others go on, and no further one is taken."""
        if execution_id is None or self.ending:
            return super().fault(execution_id, message)
        sys.stderr.write("agent: %s\n" % message)
        self.retired = True
        self.outlet.send(encode_frame({"type": "fault", "id": execution_id, "message": message[:2000]}), 0.0, execution_id)
        execution = self.executions.get(execution_id)
        if execution and (execution.sandbox or execution in self.queue):
            self.drop(execution)
        for other in list(self.queue):
            self.fault(other.id, "no sandbox for it: %s" % message)

    def drop(self, execution):
        """Forgets an execution whose fault has been sent."""
        del self.executions[execution.id]
        execution.reading, execution.cause = False, execution.cause or "cancelled"
        for key in ("wall", "end"):
            self.loop.cancel((execution.id, key))
        if execution in self.queue:
            self.queue.remove(execution)
        execution.detach()
        if execution.sandbox and execution.sandbox.pid and not execution.sandbox.killed:
            execution.sandbox.kill()

    def end(self, code):
        self.ending = True
        super().end(code)
