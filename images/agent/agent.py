# One file, longer than 300 lines: it is copied into any image that has a Python, and must need nothing beside it but its data.
"""The agent: PID 1 of a sandbox. It speaks frames (images/PROTOCOL.md) on stdin and stdout, runs guests under limits, and reports what became of them.

    python3 -I -S -E agent.py LANGUAGE.JSON [WORK_FOLDER]
    python3 -I -S -E agent.py LANGUAGE.JSON --slots N      (many executions, a nested sandbox for each: nested.py)

What it promises:
- The guest cannot speak for it: a guest has pipes of its own, every descriptor of the agent is close-on-exec, and the agent is not dumpable, so its
  /proc entries belong to root. It has no signal handler at all, so as PID 1 it is immune to every signal from inside; SIGCHLD arrives through a signalfd.
- Whatever the guest does, its result comes in bounded time, after everything it left has been killed. The first cause of the end is written once.
- Nothing blocks on the way from `execute` to `result` but the guest: one epoll loop, no threads, no module imported late.

Times inside are seconds of the monotonic clock, in frames milliseconds. Sizes are bytes. Python 3.11 or newer, standard library only.
"""
import binascii, ctypes, errno, fcntl, gc, json, os, resource, select, signal, stat, struct, sys, time  # noqa: E401 (one line: all of them are needed before `ready`)

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 32 * 1024 * 1024   # of a frame to the agent
CHUNK_BYTES = 32 * 1024             # of guest output in one frame
GREETING_S = 30.0                   # wait for the first hello: a runner that died, or lost its rights, before it attached leaves an open stdin and no reader
LINGER_S = 2.0                      # wait for EOF after the last result
SWEEP_S = 2.0                       # longest wait for killed processes to vanish; one in uninterruptible sleep can outlast it
WARM_START_S = 60.0                 # a warm guest that is not waiting by then is a fault
WARM_ATTEMPTS = 3                   # starts of a warm guest that dies before it is used
HOLD_S = 0.002                      # output waits this long for the result to share its write: a tiny program costs one wake-up of the runner, not two
FILL_RATE = 4 * 1024 ** 3 * min(len(os.sched_getaffinity(0)), 8)  # bytes/s, about what programs can touch: memory is looked at before it could be far over its limit
TICK_S = (0.005, 0.025)             # bounds of the time between two looks
LONGEST_TICK_S = 0.05               # also when looking is dear: a guest may make a look cost what it likes, and must not buy time with that
LARGE_ADDRESS_SPACE = 4 * 1024 ** 3 # bytes; page tables are 1/512 of it at most
FREE_SOCKETS = 256                  # that nobody counts; each further one may hide this much in its buffer, which no process shows
SOCKET_BYTES = 208 * 1024
INODE_BYTES = 1024                  # of an empty file in a tmpfs: kernel memory that is not in its size
FREE_TERMINALS = 64                 # pseudo-terminals that nobody counts
TERMINAL_BYTES = 1024 * 1024        # of each further one: more than its buffers hold, since the whole node has only 4096 of them
SIGNALS_AT_ONCE = 16                # read between two turns of the loop: a guest may send them faster than they can be read
REAPED_AT_ONCE = 256                # and end processes faster than they can be reaped
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
PAGE = resource.getpagesize()
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
LIMIT_NAMES = ("wallTimeMs", "cpuTimeMs", "memoryBytes", "outputBytes", "processes", "openFiles", "fileSizeBytes")


class FrameError(Exception):
    """What arrived is not a frame: the sandbox gives up."""


class GuestError(Exception):
    """A guest could not be started or set up: our trouble, not the program's."""


# ---------------------------------------------------------------- the kernel, where the standard library does not reach

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 22, 36, 38
FIONREAD = 0x541B


def prctl(option, argument, pointer=None):
    if LIBC.prctl(option, ctypes.c_ulong(argument), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(%d)" % option)


def signal_descriptor(signals):
    """A signalfd for `signals`, which are blocked: a handler would make PID 1 vulnerable to them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    mask = ctypes.c_uint64(sum(1 << (number - 1) for number in signals))
    sigset = (ctypes.c_uint64 * 16)(mask.value)
    fd = LIBC.signalfd(-1, sigset, os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return fd


# ---------------------------------------------------------------- seccomp: an OCI profile as classic BPF

BPF_LOAD, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JUMP, BPF_RETURN = 0x20, 0x54, 0x15, 0x35, 0x05, 0x06
RET_KILL_PROCESS, RET_ERRNO, RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
WORD = 0xFFFFFFFF
FAIL = -1  # a jump to the end of its rule, known when the rule is complete


class SeccompFilter:
    """Compiles an OCI profile for one machine. Rules of one system call are tried in the profile's order, the first that matches decides."""

    def __init__(self, profile, numbers, machine):
        self.default = self.verdict(profile["defaultAction"], profile.get("defaultErrnoRet", errno.EPERM))
        rules = {}
        for rule in profile["syscalls"]:
            verdict = self.verdict(rule["action"], rule.get("errnoRet", errno.EPERM))
            for name in rule["names"]:
                if name in numbers:  # a name of another architecture, or of a kernel newer than the table
                    rules.setdefault(numbers[name], []).append((rule.get("args") or [], verdict))
        head = [(BPF_LOAD, 0, 0, 4), (BPF_JEQ, 1, 0, AUDIT_ARCH[machine]), (BPF_RETURN, 0, 0, RET_KILL_PROCESS), (BPF_LOAD, 0, 0, 0)]
        if machine == "x86_64":
            head += [(BPF_JGE, 0, 1, X32_BIT), (BPF_RETURN, 0, 0, RET_KILL_PROCESS)]
        self.code = b"".join(struct.pack("HBBI", *step) for step in head + self.tree(self.segments(rules)))
        self.buffer = ctypes.create_string_buffer(self.code, len(self.code))
        self.program = struct.pack("HxxxxxxP", len(self.code) // 8, ctypes.addressof(self.buffer))

    def install(self):
        """On the calling process, for good. Needs no_new_privs."""
        prctl(PR_SET_SECCOMP, 2, self.program)

    @staticmethod
    def verdict(action, errno_value):
        table = {"SCMP_ACT_ALLOW": RET_ALLOW, "SCMP_ACT_ERRNO": RET_ERRNO | errno_value, "SCMP_ACT_KILL_PROCESS": RET_KILL_PROCESS}
        return table[action]

    def segments(self, rules):
        """Sorted (first number, code); neighbours with the same code are one."""
        segments = []
        for number in sorted({0, *rules, *(n + 1 for n in rules)}):
            code = self.decision(rules[number]) if number in rules else [(BPF_RETURN, 0, 0, self.default)]
            if not segments or segments[-1][1] != code:
                segments.append((number, code))
        return segments

    def tree(self, segments):
        """A balanced search by number: jumps are relative and no path falls through, so subtrees can be joined as they are."""
        if len(segments) == 1:
            return segments[0][1]
        middle = len(segments) // 2
        low, high = self.tree(segments[:middle]), self.tree(segments[middle:])
        if len(low) < 256:
            return [(BPF_JGE, len(low), 0, segments[middle][0])] + low + high
        return [(BPF_JGE, 0, 1, segments[middle][0]), (BPF_JUMP, 0, 0, len(low))] + low + high

    def decision(self, rules):
        code = []
        for conditions, verdict in rules:
            tests = [step for condition in conditions for step in self.test(condition)] + [(BPF_RETURN, 0, 0, verdict)]
            code += [(op, jt if jt != FAIL else len(tests) - at - 1, jf if jf != FAIL else len(tests) - at - 1, k)
                     for at, (op, jt, jf, k) in enumerate(tests)]
            if not conditions:
                return code
        return code + [(BPF_RETURN, 0, 0, self.default)]

    @staticmethod
    def test(condition):
        """Steps that go on when the condition holds. Arguments are 64 bit wide, low word first on both machines."""
        low = 16 + 8 * condition["index"]
        value, operator = condition["value"], condition["op"]
        if operator == "SCMP_CMP_NE":
            return [(BPF_LOAD, 0, 0, low + 4), (BPF_JEQ, 0, 2, value >> 32), (BPF_LOAD, 0, 0, low), (BPF_JEQ, FAIL, 0, value & WORD)]
        if operator not in ("SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"):
            raise ValueError("seccomp operator %s is not supported" % operator)
        mask, wanted = (value, condition["valueTwo"]) if operator == "SCMP_CMP_MASKED_EQ" else (WORD << 32 | WORD, value)
        steps = []
        for offset, shift in ((low + 4, 32), (low, 0)):
            if mask >> shift & WORD:
                steps.append((BPF_LOAD, 0, 0, offset))
                if mask >> shift & WORD != WORD:
                    steps.append((BPF_AND, 0, 0, mask >> shift & WORD))
                steps.append((BPF_JEQ, 0, FAIL, wanted >> shift & WORD))
        return steps


def load_seccomp():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = next(f for f in (here, os.path.join(here, "..", "seccomp")) if os.path.exists(os.path.join(f, "profile.json")))
    machine = os.uname().machine
    with open(os.path.join(folder, "profile.json"), "rb") as profile, open(os.path.join(folder, "syscalls.json"), "rb") as numbers:
        return SeccompFilter(json.load(profile), json.load(numbers)[machine], machine)


# ---------------------------------------------------------------- Landlock: what a guest may open, where the kernel has it

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # the same numbers on both machines
LANDLOCK_VERSION, LANDLOCK_PATH_BENEATH = 1, 1
FS_EXECUTE, FS_WRITE, FS_READ, FS_LIST, FS_DEVICES, FS_TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 6 | 1 << 11, 1 << 14
TCP_BIND_AND_CONNECT, SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3
HOST_FACTS = "sys"                  # in /: about the node and its kernel, but for what interpreters look up to size themselves
SIZING_FACTS = ("/sys/devices/system/cpu", "/sys/fs/cgroup")


def landlock_call(number, *arguments):
    return LIBC.syscall(number, *(argument if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments))


LANDLOCK_ABI = landlock_call(LANDLOCK_CREATE, 0, 0, LANDLOCK_VERSION)  # negative: not in this kernel, or not on


def landlock_rules(folder):
    """What `restrict_files` asks of this kernel: (attributes of the rule set, [(path, rights)]); None where there is no Landlock that it can use."""
    if LANDLOCK_ABI < 2:
        return None
    everything = (1 << (15 if LANDLOCK_ABI >= 3 else 14)) - 1
    attributes = struct.pack("QQQ", everything, TCP_BIND_AND_CONNECT, SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS)[:24 if LANDLOCK_ABI >= 6 else 16 if LANDLOCK_ABI >= 4 else 8]
    readable = ["/" + name for name in os.listdir("/") if name != HOST_FACTS]
    rules = ((["/"], FS_LIST), (readable, FS_READ | FS_EXECUTE), (SIZING_FACTS, FS_READ),
             (("/proc", "/dev"), FS_WRITE | FS_TRUNCATE), (("/tmp", "/dev/shm", folder), everything & ~FS_DEVICES))
    return attributes, [(path, rights & everything) for paths, rights in rules for path in paths]


def restrict_files(folder):
    """On the calling process, for good: it reads what is no fact about the node, writes to the places that are a guest's, and its signals stay among its own.

    A second barrier behind ownership and read-only mounts. Version 1 knows no renames between folders, so it is left out. Needs no_new_privs.
    """
    wanted = landlock_rules(folder)
    if wanted is None:
        return
    attributes, rules = wanted
    ruleset = landlock_call(LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    for path, rights in rules:
        allow_beneath(ruleset, path, rights)
    if landlock_call(LANDLOCK_RESTRICT, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(ruleset)


def allow_beneath(ruleset, path, rights):
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # a link that leads nowhere, a place that this kernel or image does not have
        return
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        rights &= FS_EXECUTE | FS_WRITE | FS_READ | FS_TRUNCATE
    if rights and landlock_call(LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, struct.pack("=Qi", rights, fd), 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_add_rule %s" % path)
    os.close(fd)


# ---------------------------------------------------------------- frames

def is_strings(value):
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_arguments(value):
    return is_strings(value) and not any("\0" in item for item in value)


def is_environment(value):
    return isinstance(value, dict) and is_arguments([*value, *value.values()]) and not any(not name or "=" in name for name in value)


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_file(value):
    return isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("content"), str) and value.get("encoding") in ("utf8", "base64")


def is_limits(value):
    return isinstance(value, dict) and all(is_count(value.get(name)) for name in LIMIT_NAMES)


def is_string(value):
    return isinstance(value, str)


FRAMES = {
    "hello": {"protocol": lambda value: value == PROTOCOL_VERSION and is_count(value)},
    "execute": {"id": is_string, "code": is_string, "stdin": is_string, "args": is_arguments, "env": is_environment,
                "files": lambda value: isinstance(value, list) and all(map(is_file, value)), "limits": is_limits},
    "cancel": {"id": is_string},
}


def parse_frame(line):
    """The frame on a line (bytes without the newline). Raises FrameError."""
    try:
        frame = json.loads(line.decode("utf-8", "strict"))
    except (ValueError, RecursionError) as error:
        raise FrameError("a line is not JSON: %s" % error) from None
    if not isinstance(frame, dict):
        raise FrameError("a line is not an object")
    fields = FRAMES.get(frame["type"]) if isinstance(frame.get("type"), str) else None
    if fields is None:
        raise FrameError("unknown frame type %.100r" % (frame.get("type"),))
    for name, valid in fields.items():
        if name not in frame or not valid(frame[name]):
            raise FrameError("%s: field %s is missing or wrong" % (frame["type"], name))
    return frame


class LineReader:
    """Cuts a byte stream into lines, holding no more than one."""

    def __init__(self, limit=MAX_LINE_BYTES):
        self.limit, self.parts, self.held = limit, [], 0

    def push(self, data):
        lines = data.split(b"\n")
        for line in lines[:-1]:
            self.keep(line)
            yield b"".join(self.parts)
            self.parts, self.held = [], 0
        self.keep(lines[-1])

    def keep(self, part):
        self.held += len(part)
        if self.held > self.limit:
            raise FrameError("a line is longer than %d bytes" % self.limit)
        self.parts.append(part)


def encode_frame(frame):
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def output_frame(execution_id, stream, data):
    try:
        text, encoding = data.decode(), "utf8"
    except UnicodeDecodeError:
        text, encoding = binascii.b2a_base64(data, newline=False).decode(), "base64"
    return encode_frame({"type": "output", "id": execution_id, "stream": stream, "data": text, "encoding": encoding})


# ---------------------------------------------------------------- what a language is

class Language:
    """language.json, with the placeholders filled in."""

    def __init__(self, path):
        self.here = os.path.dirname(os.path.abspath(path))
        with open(path, "rb") as source:
            data = json.load(source)
        self.name, self.file = data["name"], data["file"]
        self.run, self.version = self.words(data["run"]), self.words(data["version"])
        self.warm, self.compile, self.nursery = (self.words(data.get(name)) for name in ("warm", "compile", "nursery"))
        self.env, self.warm_env = self.values(data.get("env")), self.values(data.get("warmEnv"))
        self.cold_env = tuple(data.get("coldEnv", ()))

    def fill(self, text):
        return text.replace("{file}", self.file).replace("{here}", self.here)

    def words(self, command):
        return [self.fill(word) for word in command or ()]

    def values(self, env):
        return {name: self.fill(value) for name, value in (env or {}).items()}

    def environment(self, extra):
        """Nothing of the agent's own environment but PATH: a pod's holds service addresses."""
        base = {"PATH": os.environ.get("PATH", DEFAULT_PATH), "HOME": "/tmp", "LANG": "C.UTF-8"}
        return {**base, **self.env, **extra}

    def needs_cold_start(self, env):
        """Whether `env` holds a variable that acts while the interpreter starts."""
        return any(name == pattern or pattern.endswith("*") and name.startswith(pattern[:-1]) for name in env for pattern in self.cold_env)


# ---------------------------------------------------------------- processes

def guest_limits(limits, cpu_before=0.0):
    """Resource limits of every process of a guest, soft = hard. `cpu_before`: seconds that a warm guest had used when it was claimed."""
    return {
        resource.RLIMIT_CPU: int(limits["cpuTimeMs"] / 1000 + cpu_before) + 2,  # whole seconds: a backstop behind the agent's own sum
        resource.RLIMIT_NPROC: limits["processes"] + 1,                         # counted per uid, and the agent has the same one
        resource.RLIMIT_NOFILE: limits["openFiles"],
        resource.RLIMIT_FSIZE: limits["fileSizeBytes"],
    }


def set_limits(pid, values):
    """On a process that has the agent's own limits still: nobody can go above those."""
    for kind, value in values.items():
        highest = OWN_LIMITS[kind]
        if highest != resource.RLIM_INFINITY:
            value = min(value, highest)
        resource.prlimit(pid, kind, (value, value))


OWN_LIMITS = {kind: resource.getrlimit(kind)[1] for kind in (
    resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)}


class Pipes:
    """A guest's stdio, and fd 3 for a warm one: both ends, until the guest has its own."""

    def __init__(self, program):
        self.guest_stdin, self.stdin = os.pipe()
        self.stdout, self.guest_stdout = os.pipe()
        self.stderr, self.guest_stderr = os.pipe()
        self.guest_program, self.program = os.pipe() if program else (-1, -1)
        for fd in (self.stdin, self.stdout, self.stderr):  # flags of our end only: the other end is another open file
            os.set_blocking(fd, False)

    def close_guest_ends(self):
        for fd in (self.guest_stdin, self.guest_stdout, self.guest_stderr, self.guest_program):
            if fd >= 0:
                os.close(fd)

    def close(self):
        for name in ("stdin", "stdout", "stderr", "program"):
            self.close_one(name)

    def close_one(self, name):
        fd = getattr(self, name)
        if fd >= 0:
            setattr(self, name, -1)
            os.close(fd)


DEFAULT_SIGNALS = [signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD]


def locate(command):
    """The program's file by the agent's own PATH: a PATH in the request is for the guest, and must not decide which interpreter runs it."""
    candidates = [command] if "/" in command else [os.path.join(folder, command) for folder in os.environ.get("PATH", DEFAULT_PATH).split(":")]
    return next((path for path in candidates if os.access(path, os.X_OK)), command)


def reset_signals():
    """As a shell would leave them."""
    for number in DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def become_guest(argv, env, folder, pipes, seccomp, limits):
    """In the forked child: gives up everything and becomes `argv`. Never returns."""
    os.setsid()
    for source, target in ((pipes.guest_stdin, 0), (pipes.guest_stdout, 1), (pipes.guest_stderr, 2), (pipes.guest_program, 3)):
        if source >= 0:
            os.dup2(source, target)
    os.chdir(folder)
    reset_signals()
    set_limits(0, {resource.RLIMIT_CORE: 0, **limits})
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    restrict_files(folder)
    seccomp.install()
    os.execve(locate(argv[0]), argv, env)


def spawn(argv, env, folder, pipes, seccomp, limits):
    """Starts a guest process; returns its pid once it has become `argv`."""
    return start_child(argv[0], pipes, lambda: become_guest(argv, env, folder, pipes, seccomp, limits))


def start_child(name, pipes, become):
    """Forks, and calls `become` in the child, which must end in an exec; returns the child's pid once it has. The kernel takes it, and all that it starts, before
    the agent. Raises GuestError with the reason when there was no exec.
    """
    failed, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become()
        except BaseException as error:  # the child must end here, whatever happened
            os.write(report, ("%s: %s" % (name, error)).encode("utf-8", "replace")[:1000])
        finally:
            os._exit(127)
    os.close(report)
    pipes.close_guest_ends()
    message = os.read(failed, 1000)  # EOF at exec
    os.close(failed)
    if message:
        raise GuestError(message.decode("utf-8", "replace"))
    try:
        with open("/proc/%d/oom_score_adj" % pid, "w") as score:
            score.write("1000")
    except OSError:
        pass
    return pid


def process_stat(pid):
    """(parent, seconds of CPU with the children it waited for, bytes of memory, seconds of its own), or None when it is gone. A zombie still has its CPU time.

    Memory is what is resident, and the page tables where the address space is so large that they may matter: pages that were only read cost nothing else.
    """
    try:
        fd = os.open("/proc/%s/stat" % pid, os.O_RDONLY)
        try:
            fields = os.read(fd, 1024).rpartition(b")")[2].split()
        finally:
            os.close(fd)
    except OSError:
        return None
    if len(fields) < 22:
        return None
    tables = page_tables(pid) if int(fields[20]) > LARGE_ADDRESS_SPACE else 0
    own, of_children = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return int(fields[1]), (own + of_children) / CLOCK_TICKS, int(fields[21]) * PAGE + tables, own / CLOCK_TICKS


def page_tables(pid):
    try:
        with open("/proc/%s/status" % pid, "rb") as source:
            return int(source.read().partition(b"\nVmPTE:")[2].split()[0]) * 1024  # at the start of a line: the process' name stands above and is its own choice
    except (OSError, IndexError, ValueError):
        return 0


def guest_processes():
    """{pid: process_stat} of every process below the agent."""
    me = os.getpid()
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != me:
            facts = process_stat(name)
            if facts:
                found[int(name)] = facts
    if me == 1:
        return found
    family, grown = {me}, True
    while grown:
        members = {pid for pid, facts in found.items() if facts[0] in family} - family
        family |= members
        grown = bool(members)
    return {pid: facts for pid, facts in found.items() if pid in family}


def kill_everything():
    """SIGKILL to all processes below the agent; True when there was one. As PID 1 this is one atomic step that no fork can escape."""
    if os.getpid() == 1:
        try:
            os.kill(-1, signal.SIGKILL)
            return True
        except ProcessLookupError:
            return False
    pids = list(guest_processes())
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    return bool(pids)


# ---------------------------------------------------------------- what a guest uses

class ContainerMemory:
    """The memory cgroup of the pod, where there is one of our own: it also knows of tmpfs, shared memory, memfds and socket buffers."""

    def __init__(self):
        self.usage = self.stat = self.events = -1
        for usage, limit, stats, events in (("memory.current", "memory.max", "memory.stat", "memory.events"),
                                            ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes", "memory/memory.stat", "memory/memory.oom_control")):
            try:
                with open("/sys/fs/cgroup/" + limit) as source:
                    text = source.read().strip()
                if text == "max" or int(text) >= 1 << 60:  # no limit: not a container's cgroup but a machine's
                    continue
                self.usage, self.stat, self.events = (os.open("/sys/fs/cgroup/" + name, os.O_RDONLY) for name in (usage, stats, events))
                break
            except (OSError, ValueError):
                continue
        self.rebase()

    def rebase(self):
        """What is used and has happened until now is not the guest's doing."""
        self.base_used, self.base_kills = self.unreclaimable(), self.kills()

    def current(self):
        """Bytes above the baseline, page cache included: cheap, and never too low."""
        return int(os.pread(self.usage, 32, 0)) - self.base_used if self.usage >= 0 else 0

    def used(self):
        return self.unreclaimable() - self.base_used

    def unreclaimable(self):
        if self.usage < 0:
            return 0
        facts = self.table(self.stat)
        return int(os.pread(self.usage, 32, 0)) - facts.get(b"active_file", 0) - facts.get(b"inactive_file", 0)

    def killed(self):
        """Whether the kernel has killed for lack of memory since the baseline."""
        return self.kills() > self.base_kills

    def kills(self):
        return self.table(self.events).get(b"oom_kill", 0) if self.events >= 0 else 0

    @staticmethod
    def table(fd):
        words = os.pread(fd, 16384, 0).split()
        return {name: int(value) for name, value in zip(words[::2], words[1::2])}


class WritableFolders:
    """Bytes in the tmpfs mounts that a guest can write, seen without walking them: deleted but open files count too."""

    def __init__(self, folders=("/tmp", "/dev/shm")):
        self.folders = [folder for folder in folders if os.getpid() == 1 and self.is_tmpfs(folder)]  # not PID 1: others write there as well
        self.rebase()

    @staticmethod
    def is_tmpfs(folder):
        with open("/proc/self/mountinfo") as mounts:
            return any(line.split()[4] == folder and line.partition(" - ")[2].startswith("tmpfs ") for line in mounts)

    def total(self):
        facts = map(os.statvfs, self.folders)
        return sum((fact.f_blocks - fact.f_bfree) * fact.f_frsize + (fact.f_files - fact.f_ffree) * INODE_BYTES for fact in facts)

    def rebase(self):
        self.base = self.total()

    def used(self):
        return self.total() - self.base


def socket_buffers():
    """Bytes that sockets of this network namespace may hold, beyond what any program needs."""
    try:
        with open("/proc/net/sockstat", "rb") as source:
            return max(0, int(source.readline().split()[2]) - FREE_SOCKETS) * SOCKET_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def terminals():
    """Bytes that pseudo-terminals of this container are taken for, beyond what any program needs."""
    try:
        return max(0, len(os.listdir("/dev/pts")) - FREE_TERMINALS) * TERMINAL_BYTES
    except OSError:
        return 0


def proportional_memory(pids):
    """(anonymous, shared memory) bytes, pages that processes share counted once. Slow: walks page tables."""
    anonymous = shared = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid, "rb") as source:
                facts = dict(line.split()[:2] for line in source.read().splitlines()[1:])
            anonymous += int(facts[b"Pss_Anon:"]) * 1024 + page_tables(pid)
            shared += int(facts[b"Pss_Shmem:"]) * 1024
        except (KeyError, ValueError, ProcessLookupError, FileNotFoundError):
            continue
        except OSError:  # it made itself undumpable to hide: all that it has counts
            facts = process_stat(pid)
            anonymous += facts[2] if facts else 0
    return anonymous, shared


class Meter:
    """CPU time and memory of one execution: looked at while it runs, summed when it has ended.

    The peak that is reported is the largest of: ru_maxrss of any reaped process, and the sum over all processes at a look. ru_maxrss of a process
    forked from the agent cannot be below the agent's own size, so it counts only above that.
    """

    def __init__(self, container, folders, memory_limit):
        self.container, self.folders, self.limit = container, folders, memory_limit
        self.floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.cpu_before = 0.0    # of a warm guest before it was claimed
        self.reaped_cpu = self.live_cpu = 0.0
        self.seen, self.gone_cpu = {}, 0.0  # seconds of their own: of each process at the last look, of all that have gone since
        self.peak = 0
        self.largest_reaped = 0
        self.interval = self.pause(memory_limit)

    @staticmethod
    def pause(headroom):
        """Seconds that may pass until memory is looked at again."""
        return min(max(headroom / FILL_RATE, TICK_S[0]), TICK_S[1])

    def reaped(self, usage):
        self.reaped_cpu += usage.ru_utime + usage.ru_stime
        self.largest_reaped = max(self.largest_reaped, usage.ru_maxrss * 1024)

    @property
    def cpu(self):
        """Of those who live, who were waited for, and whom they had waited for. Where nobody waits (SIGCHLD is ignored) the kernel forgets a process' time: so it
        is at least what all those who were seen had used by themselves."""
        return max(0.0, max(self.reaped_cpu + self.live_cpu, self.gone_cpu + sum(self.seen.values())) - self.cpu_before)

    @property
    def memory(self):
        return max(self.peak, self.largest_reaped if self.largest_reaped > self.floor or not self.peak else 0)

    def count_cpu(self, processes):
        own = {pid: facts[3] for pid, facts in processes.items()}
        self.gone_cpu += sum(seconds for pid, seconds in self.seen.items() if own.get(pid, 0.0) < seconds)  # gone, or its pid is another's now
        self.seen = own
        self.live_cpu = sum(facts[1] for facts in processes.values())

    def look(self):
        """Measures everything now. True when the memory limit has been crossed."""
        began = time.process_time()  # not the clock on the wall: on a busy node it counts what others did meanwhile
        processes = guest_processes()
        self.count_cpu(processes)
        files, hidden = self.folders.used(), socket_buffers() + terminals() if os.getpid() == 1 else 0
        used = sum(facts[2] for facts in processes.values()) + files + hidden
        if used > self.limit:  # perhaps only because pages that processes share were counted for each of them
            anonymous, shared = proportional_memory(processes)
            used = anonymous + hidden + max(shared, files)  # a mapped file is in both
        if self.container.current() > self.limit:
            used = max(used, self.container.used())
        if processes:
            self.peak = max(self.peak, used - hidden)  # what sockets and terminals hold is a guess: good for a limit, not for a report
        cost = time.process_time() - began
        self.interval = max(self.pause(self.limit - used), min(10 * cost, LONGEST_TICK_S))
        return used > self.limit or self.container.killed()

    def kernel_killed(self):
        return self.container.killed()

    def settle(self):
        """All processes have been reaped: what was live is in their sum now."""
        self.live_cpu = 0.0


# ---------------------------------------------------------------- the loop

class Loop:
    """Descriptors and timers. Handlers run one after another and never block."""

    def __init__(self):
        self.poll = select.epoll()
        self.handlers, self.timers = {}, {}

    def watch(self, fd, events, handler):
        if fd in self.handlers:
            self.poll.modify(fd, events)
        else:
            self.poll.register(fd, events)
        self.handlers[fd] = handler

    def forget(self, fd):
        if self.handlers.pop(fd, None):
            self.poll.unregister(fd)

    def at(self, key, when, handler):
        """One timer per key; a new time replaces the old one."""
        self.timers[key] = (when, handler)

    def cancel(self, key):
        self.timers.pop(key, None)

    def turn(self):
        wait = -1
        if self.timers:
            wait = max(0.0, min(when for when, _ in self.timers.values()) - time.monotonic())
        for fd, events in self.poll.poll(wait):
            handler = self.handlers.get(fd)
            if handler:
                handler(events)
        now = time.monotonic()
        for key, (when, handler) in list(self.timers.items()):
            if when <= now and self.timers.get(key) == (when, handler):
                del self.timers[key]
                handler()


class Outlet:
    """The stream to the runner: never blocks, keeps what was not taken yet, and joins small frames into one write."""

    def __init__(self, loop, fd):
        self.loop, self.fd, self.waiting = loop, fd, bytearray()
        os.set_blocking(fd, False)

    def send(self, data, hold=0.0, _execution_id=None):
        self.waiting += data
        if not hold or len(self.waiting) > CHUNK_BYTES:
            self.flush()
        elif "flush" not in self.loop.timers:
            self.loop.at("flush", time.monotonic() + hold, self.flush)

    def flush(self, _events=0):
        self.loop.cancel("flush")
        try:
            while self.waiting:
                del self.waiting[:os.write(self.fd, self.waiting)]
            self.loop.forget(self.fd)
        except BlockingIOError:
            self.loop.watch(self.fd, select.EPOLLOUT, self.flush)
        except OSError:  # nobody reads any more: EOF on stdin will say so
            self.waiting.clear()
            self.loop.forget(self.fd)

    def drain(self, seconds):
        """Blocks until all is written, for at most `seconds`: before the agent ends."""
        deadline = time.monotonic() + seconds
        self.flush()
        while self.waiting and time.monotonic() < deadline:
            select.select([], [self.fd], [], max(0.0, deadline - time.monotonic()))
            self.flush()


# ---------------------------------------------------------------- a guest and its execution

class Guest:
    """One process tree with pipes of its own: a warm guest that waits, or a compile or run command."""

    def __init__(self, pid, pipes):
        self.pid, self.pipes = pid, pipes
        self.status = None      # of waitpid, when it has ended
        self.cpu_before = 0.0
        self.on_end = lambda: None

    def waiting(self):
        """Whether the warm guest has taken the space from its program pipe: it is blocked, or about to be, in the read of its program."""
        held = fcntl.ioctl(self.pipes.program, FIONREAD, b"\0" * 4)
        return held == b"\0" * 4

    def cpu_so_far(self):
        """Seconds, exact to the nanosecond; /proc rounds to clock ticks."""
        try:
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            return 0.0

    def release(self, args, env, folder):
        """Hands a warm guest its program. False when it has died."""
        line = json.dumps({"args": args, "env": env, "cwd": folder}, ensure_ascii=False).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self.pipes.program, line):]
        except OSError:
            return False
        self.pipes.close_one("program")
        return True


def write_files(folder, files, program, code):
    """Puts the request's files and the program into the work folder. Raises FrameError on a name that leads elsewhere."""
    for file in files:
        parts = file["name"].split("/")
        if "\0" in file["name"] or any(part in ("", ".", "..") for part in parts):
            raise FrameError("bad file name %.200r" % file["name"])
        if len(parts) > 1:
            os.makedirs(os.path.join(folder, *parts[:-1]), exist_ok=True)
        try:
            content = file["content"].encode() if file["encoding"] == "utf8" else binascii.a2b_base64(file["content"], strict_mode=True)
        except ValueError as error:
            raise FrameError("content of file %.200r: %s" % (file["name"], error)) from None
        write_file(os.path.join(folder, *parts), content)
    write_file(os.path.join(folder, program), code.encode())


def write_file(path, content):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    try:
        while content:
            content = content[os.write(fd, content):]
    finally:
        os.close(fd)


class Execution:
    """One execution from its `execute` to its `result`. `cause` is written once, by whatever ends it first."""

    def __init__(self, agent, frame):
        self.agent, self.loop, self.frame = agent, agent.loop, frame
        self.id, self.limits = frame["id"], frame["limits"]
        self.cause, self.phase, self.truncated = None, "run", False
        self.guest, self.began, self.ended_at = None, 0.0, 0.0
        self.output_left = self.limits["outputBytes"]
        self.stdin = memoryview(frame["stdin"].encode())
        self.meter = Meter(agent.container, agent.folders, self.limits["memoryBytes"])

    # -- start

    def start(self, warm):
        """`warm`: a waiting guest, or None. The clock starts with the program, or its compiler."""
        try:
            write_files(self.agent.work, self.frame["files"], self.agent.language.file, self.frame["code"])
        except OSError as error:  # names that contradict each other, more than /tmp holds: the request's doing, so it is data
            if warm:
                warm.on_end = warm.pipes.close
            return self.refuse("cannot write the files: %s" % error)
        if self.agent.language.compile:
            self.phase = "compile"
            self.begin()
            self.run_cold(self.agent.language.compile)
        elif warm is None or not self.run_warm(warm):
            self.begin()
            self.run_cold(self.agent.language.run + self.frame["args"])

    def refuse(self, message):
        """Ends before there is a guest, with the reason on standard error and the exit code of a command that could not be run."""
        self.agent.sweep()
        self.say_refused(message)
        self.report(126, None)

    def say_refused(self, message):
        self.began = self.ended_at = time.monotonic()
        self.cause = "exited"
        text = (message + "\n").encode("utf-8", "replace")
        self.truncated = len(text) > self.output_left
        self.agent.outlet.send(output_frame(self.id, "stderr", text[:self.output_left]), HOLD_S, self.id)

    def begin(self):
        self.began = time.monotonic()
        self.loop.at((self.id, "wall"), self.began + self.limits["wallTimeMs"] / 1000, lambda: self.stop("wall_time"))
        self.look_later()

    def look_later(self):
        self.loop.at((self.id, "look"), time.monotonic() + self.meter.interval, self.look)

    def run_warm(self, guest):
        try:
            set_limits(guest.pid, guest_limits(self.limits, guest.cpu_before))
        except ProcessLookupError:
            return False
        self.meter.cpu_before = guest.cpu_before
        self.attach(guest)
        self.begin()
        if guest.release(self.frame["args"], self.frame["env"], self.agent.work):
            self.feed()
            return True
        self.detach()
        return False

    def run_cold(self, command):
        pipes = Pipes(program=False)
        env = self.agent.language.environment(self.frame["env"])
        pid = spawn(command, env, self.agent.work, pipes, self.agent.seccomp, guest_limits(self.limits))
        self.attach(Guest(pid, pipes))
        self.feed()

    def attach(self, guest):
        self.guest = self.agent.guests[guest.pid] = guest
        guest.on_end = self.ended
        self.loop.watch(guest.pipes.stdout, select.EPOLLIN, lambda _: self.take("stdout"))
        self.loop.watch(guest.pipes.stderr, select.EPOLLIN, lambda _: self.take("stderr"))

    def detach(self):
        for fd in (self.guest.pipes.stdin, self.guest.pipes.stdout, self.guest.pipes.stderr):
            self.loop.forget(fd)
        self.guest.pipes.close()

    # -- while it runs

    def feed(self, _events=0):
        """Standard input, as far as the guest takes it; a compiler gets none."""
        fd = self.guest.pipes.stdin
        try:
            while self.stdin and self.phase == "run":
                self.stdin = self.stdin[os.write(fd, self.stdin[:1 << 20]):]
        except BlockingIOError:
            return self.loop.watch(fd, select.EPOLLOUT, self.feed)
        except OSError:  # the guest has closed its end
            pass
        self.loop.forget(fd)
        self.guest.pipes.close_one("stdin")

    def take(self, stream):
        """Passes on what the guest wrote, at most one chunk. False when there is nothing more for now."""
        fd = getattr(self.guest.pipes, stream)
        if fd < 0:
            return False
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.loop.forget(fd)
            self.guest.pipes.close_one(stream)
            return False
        if len(data) > self.output_left:
            data, self.truncated = data[:self.output_left], True
        self.output_left -= len(data)
        if data:
            self.agent.outlet.send(output_frame(self.id, stream, data), HOLD_S, self.id)
        if self.truncated:
            self.stop("output")
        return not self.truncated

    def look(self):
        if self.meter.look():
            self.stop("memory")
        elif self.meter.cpu * 1000 >= self.limits["cpuTimeMs"]:
            self.stop("cpu_time")
        else:
            self.look_later()

    def stop(self, cause):
        """Ends it from outside. The first cause stays."""
        if self.cause is None:
            self.cause = cause
            if self.agent.sweep() and self.guest.status is None:
                self.agent.fault(self.id, "a guest process cannot be killed")
            self.finish()

    # -- the end

    def ended(self):
        """The guest's first process has ended, and all it wrote is in the pipes."""
        if self.cause is not None:
            return
        self.agent.sweep()
        self.conclude()

    def conclude(self):
        """What has ended it, when nothing from outside did: all its processes are gone."""
        for stream in ("stdout", "stderr"):
            while self.cause is None and self.take(stream):
                pass
        if self.cause is not None:
            return
        killed = os.WIFSIGNALED(self.guest.status) and os.WTERMSIG(self.guest.status) in (signal.SIGKILL, signal.SIGXCPU)
        self.meter.settle()
        if killed and self.meter.kernel_killed():
            self.cause = "memory"
        elif killed and self.meter.cpu * 1000 >= self.limits["cpuTimeMs"]:
            self.cause = "cpu_time"
        elif self.phase == "compile" and self.guest.status == 0:
            return self.compiled()
        else:
            self.cause = "exited"
        self.finish()

    def compiled(self):
        self.detach()
        self.phase = "run"
        self.run_cold(self.agent.language.run + self.frame["args"])

    def finish(self):
        self.ended_at = time.monotonic()
        self.meter.settle()
        self.loop.cancel((self.id, "wall"))
        self.loop.cancel((self.id, "look"))
        if self.cause != "output":
            self.take_rest()
        self.detach()
        status = self.guest.status
        if status is not None and os.WIFEXITED(status):
            self.report(os.WEXITSTATUS(status), None)
        else:
            self.report(None, signal_name(signal.SIGKILL if status is None else os.WTERMSIG(status)))

    def report(self, exit_code, signal_that_ended_it):
        self.agent.done(self, {
            "type": "result", "id": self.id, "cause": self.cause, "phase": self.phase,
            "exitCode": exit_code, "signal": signal_that_ended_it,
            "wallTimeMs": round((self.ended_at - self.began) * 1000), "cpuTimeMs": round(self.meter.cpu * 1000),
            "memoryBytes": self.meter.memory, "truncated": self.truncated,
        })

    def take_rest(self):
        """What was written before the end still counts, up to the limit."""
        for stream in ("stdout", "stderr"):
            while self.take(stream):
                pass


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "SIG%d" % number


# ---------------------------------------------------------------- the agent

class Agent:
    """Owns the stream, the warm guest and the execution of a single-use sandbox."""

    def __init__(self, language, work):
        self.language, self.work = language, work
        self.seccomp = load_seccomp()
        self.container, self.folders = ContainerMemory(), None
        self.loop = Loop()
        self.outlet = Outlet(self.loop, 1)
        self.reader = LineReader()
        self.executions, self.guests = {}, {}   # by id, by pid
        self.warm, self.warm_starts = None, 0
        self.ready = False      # a guest waits, or none is needed
        self.asked = False      # hello came, and ready is owed
        self.greeted = self.used = False
        self.version = ""

    def serve(self):
        """Runs until somebody calls end()."""
        self.signals = signal_descriptor([signal.SIGCHLD, signal.SIGTERM])
        self.loop.watch(self.signals, select.EPOLLIN, self.on_signal)
        os.makedirs(self.work, mode=0o755)
        self.prepare()  # first, so that both start at the same time
        self.version = self.ask_version()
        os.set_blocking(0, False)
        self.loop.watch(0, select.EPOLLIN, self.on_input)
        self.loop.at("greeting", time.monotonic() + GREETING_S, lambda: self.end(0))
        gc.collect()
        gc.freeze()
        gc.disable()  # single-use and small: a collection would only cost time
        while True:
            self.loop.turn()

    def prepare(self):
        """Starts what `ready` waits for."""
        self.folders = WritableFolders()
        self.ready = not self.language.warm
        if self.language.warm:
            self.start_warm()

    def ask_version(self):
        pipes = Pipes(program=False)
        pid = spawn(self.language.version, self.language.environment({}), self.work, pipes, self.seccomp, {})
        pipes.close_one("stdin")
        text, deadline = b"", time.monotonic() + WARM_START_S
        for fd in (pipes.stdout, pipes.stderr):
            while len(text) < CHUNK_BYTES and select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                data = os.read(fd, CHUNK_BYTES)
                text += data
                if not data:
                    break
        pipes.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return first_version(text.decode("utf-8", "replace"))

    # -- the warm guest

    def start_warm(self):
        self.warm_starts += 1
        if self.warm_starts > WARM_ATTEMPTS:
            self.fault(None, "the warm guest ended %d times before it was used" % WARM_ATTEMPTS)
        pipes = Pipes(program=True)
        pid = spawn(self.language.warm, self.language.environment(self.language.warm_env), self.work, pipes, self.seccomp, {})
        self.warm = self.guests[pid] = Guest(pid, pipes)
        self.warm.on_end = self.restart_warm
        os.write(pipes.program, b" ")
        self.loop.at("warm", time.monotonic() + 0.002, self.watch_warm)
        self.loop.at("warm deadline", time.monotonic() + WARM_START_S, lambda: self.fault(None, "the warm guest does not wait for its program"))

    def watch_warm(self):
        if not self.warm.waiting():
            return self.loop.at("warm", time.monotonic() + 0.002, self.watch_warm)
        self.loop.cancel("warm deadline")
        self.ready = True
        if self.asked:
            self.say_ready()

    def restart_warm(self):
        self.warm.pipes.close()
        self.loop.cancel("warm")
        self.ready = False
        self.start_warm()

    def take_warm(self, env):
        """The warm guest for an execution with this environment, or None; then it is gone before anything else starts."""
        guest, self.warm = self.warm, None
        self.loop.cancel("warm")
        self.loop.cancel("warm deadline")
        if guest is None or guest.status is not None:
            return None
        if not self.ready or self.language.needs_cold_start(env):
            guest.on_end = guest.pipes.close
            self.sweep()
            return None
        guest.cpu_before = guest.cpu_so_far()
        return guest

    # -- processes

    def on_signal(self, _events):
        for info in self.read_signals():
            number, _errno, code, sender = struct.unpack_from("IiiI", info)
            if number == signal.SIGTERM and code == 0 and (sender == 0 or os.getpid() != 1):  # 0: from outside of our PID namespace, nobody inside can claim that
                self.end(0)
        self.reap()

    def read_signals(self):
        """A few of those that wait; the loop comes back for the others."""
        try:
            data = os.read(self.signals, 128 * SIGNALS_AT_ONCE)
        except BlockingIOError:
            return []
        return [data[at:at + 128] for at in range(0, len(data), 128)]

    def reap(self):
        """Collects those that have ended, a number at a time. True when the agent has no child left, so that below it, as PID 1, nothing lives."""
        ended = []
        empty = False
        for _ in range(REAPED_AT_ONCE):
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                empty = True
                break
            if pid == 0:
                break
            for execution in self.executions.values():
                execution.meter.reaped(usage)
            guest = self.guests.pop(pid, None)
            if guest:
                guest.status = status
                ended.append(guest)
        else:
            self.loop.at("reap", time.monotonic(), self.reap)
        for guest in ended:
            guest.on_end()
        return empty

    def sweep(self):
        """Kills and collects everything below the agent. True when something is left after the longest wait."""
        deadline, pause = time.monotonic() + SWEEP_S, 0.0001
        while not self.reap():
            kill_everything()
            if time.monotonic() > deadline:
                return True
            time.sleep(pause)
            pause = min(pause * 2, 0.01)
        return False

    # -- frames

    def on_input(self, _events):
        try:
            data = os.read(0, 1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end(0)
        try:
            for line in self.reader.push(data):
                frame = parse_frame(line)
                getattr(self, "on_" + frame["type"])(frame)
        except FrameError as error:
            self.fault(None, str(error))

    def on_hello(self, _frame):
        self.loop.cancel("greeting")
        self.asked = True
        if self.ready:
            self.say_ready()

    def say_ready(self):
        self.asked, self.greeted = False, True
        self.container.rebase()
        self.outlet.send(encode_frame({"type": "ready", "protocol": PROTOCOL_VERSION, "language": self.language.name, "version": self.version, "slots": 1}))

    def on_execute(self, frame):
        if not self.greeted or self.used:
            self.fault(frame["id"], "execute, but this sandbox is %s" % ("used" if self.used else "not ready"))
        self.used = True
        execution = Execution(self, frame)
        self.executions[execution.id] = execution
        try:
            execution.start(self.take_warm(frame["env"]))
        except (OSError, ValueError, GuestError, FrameError) as error:
            self.fault(execution.id, "%s: %s" % (type(error).__name__, error))

    def on_cancel(self, frame):
        execution = self.executions.get(frame["id"])
        if execution:
            execution.stop("cancelled")

    def done(self, execution, result):
        del self.executions[execution.id]
        self.outlet.send(encode_frame(result))
        self.loop.at("linger", time.monotonic() + LINGER_S, lambda: self.end(0))

    # -- the end

    def fault(self, execution_id, message):
        sys.stderr.write("agent: %s\n" % message)
        self.outlet.send(encode_frame({"type": "fault", "id": execution_id, "message": message[:2000]}))
        self.end(1)

    def end(self, code):
        self.executions.clear()
        for guest in self.guests.values():
            guest.on_end = lambda: None
        self.sweep()
        self.outlet.drain(LINGER_S)
        os._exit(code)


def first_version(text):
    """The first run of digits and dots."""
    start = next((at for at, char in enumerate(text) if char.isdigit()), len(text))
    end = next((at for at in range(start, len(text)) if not (text[at].isdigit() or text[at] == ".")), len(text))
    return text[start:end].rstrip(".")


def load_nested():
    """nested.py beside this file, compiled if this one is; what it imports as `agent` is this file as it runs."""
    from importlib.util import module_from_spec, spec_from_file_location
    here, ending = os.path.split(os.path.abspath(__file__))[0], os.path.splitext(__file__)[1]
    spec = spec_from_file_location("nested", os.path.join(here, "nested" + ending))
    sys.modules["agent"] = sys.modules[__name__]
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments):
    os.closerange(3, 1 << 20)                      # whatever was inherited
    os.umask(0o022)
    os.open("/dev/null", os.O_RDONLY)              # is 3: no pipe of ours may have the number that a warm guest reads its program from
    prctl(PR_SET_DUMPABLE, 0)
    if os.getpid() != 1:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)   # CPython's own handler would be the only one
    language, slots = Language(arguments[1]), arguments[3] if arguments[2:3] == ["--slots"] else None
    work = arguments[2] if len(arguments) > 2 and slots is None else "/tmp/work"
    agent = Agent(language, work) if slots is None else load_nested().Nested(language, work, int(slots))
    try:
        agent.serve()
    except Exception as error:                     # a bug of ours: say so instead of vanishing
        agent.fault(None, "%s: %s" % (type(error).__name__, error))


if __name__ == "__main__":
    main(sys.argv)
