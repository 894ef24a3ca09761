# One file, longer than 300 lines: it goes with nested.py and nursery.py, as test_agent.py goes with agent.py.
"""Proves the agent with slots: the suite of the single-use agent once more, each execution in a nested sandbox, and what only holds for many at once.

Run as root: /usr/bin/python3 test_nested.py. Bubblewrap gives it the world of a pod: PID 1, the four capabilities, a read-only root, a fresh /proc.
"""
import collections, importlib.util, os, re, sys, tempfile, time, unittest  # noqa: E401

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(HERE, name + ".py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


single = load("test_agent")
MIB = single.MIB
SLOTS = 4


def pod(language, slots=SLOTS):
    """The command of an agent with slots, as in a pod of its own."""
    own = os.path.commonpath([language, single.IMAGES]) == single.IMAGES
    folder = os.path.join("/runlet", os.path.basename(os.path.dirname(language))) if own else "/language"
    return [
        "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        *(word for name in ("SYS_ADMIN", "SETUID", "SETGID", "KILL") for word in ("--cap-add", "CAP_" + name)),
        "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "SECRET", "of the agent",
        "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin",
        "--proc", "/proc", "--dev", "/dev", "--size", str(16 * MIB), "--tmpfs", "/dev/shm", "--size", str(64 * MIB), "--tmpfs", "/tmp", "--ro-bind", single.IMAGES, "/runlet",
        "--ro-bind", os.path.dirname(language), "/language", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp",
        single.PYTHON, "-I", "-S", "-E", "/runlet/agent/agent.py", folder + "/language.json", "--slots", str(slots)]


def setUpModule():
    if os.getuid() != 0:
        raise unittest.SkipTest("root only: the agent needs its four capabilities")
    single.sandbox = pod


class Programs(single.Programs):
    pass


class WarmIsPlain(single.WarmIsPlain):
    pass


class Limits(single.Limits):
    pass


class HardToKill(single.HardToKill):
    pass


class NoReach(single.NoReach):
    pass


class Many:
    """One agent, several executions at once."""

    def __init__(self, language="python", slots=SLOTS):
        path = language if "/" in language else os.path.join(single.IMAGES, language, "language.json")
        self.session = single.Session(command=pod(path, slots))
        self.output = collections.defaultdict(lambda: {"stdout": b"", "stderr": b""})
        self.answers, self.order = {}, []

    def __enter__(self):
        self.session.__enter__()
        self.ready = self.session.hello()
        return self

    def __exit__(self, *_):
        self.session.__exit__()

    def execute(self, name, code, **options):
        self.session.execute(code, execution=name, **options)

    def step(self):
        """Takes in one frame; its id, or None at the end of the stream."""
        frame = self.session.receive()
        if frame is None:
            return None
        self.order.append((frame["type"], frame["id"]))
        if frame["type"] == "output":
            data = single.base64.b64decode(frame["data"]) if frame["encoding"] == "base64" else frame["data"].encode()
            self.output[frame["id"]][frame["stream"]] += data
        else:
            self.answers[frame["id"]] = single.Answer(frame, **self.output.pop(frame["id"], {"stdout": b"", "stderr": b""}))
        return frame["id"]

    def answer(self, name):
        while name not in self.answers:
            if self.step() is None:
                raise AssertionError("the agent ended: %r" % self.session.process.stderr.read())
        return self.answers.pop(name)

    def run(self, code, name="e1", **options):
        self.execute(name, code, **options)
        return self.answer(name)

    def until_output(self, name):
        while name not in self.output:
            self.step()


LOOK = """
import os
print(sorted(p for p in os.listdir('/proc') if p.isdigit()), sorted(os.listdir('/tmp')), os.listdir('/dev/shm'), os.listdir('/dev/pts'), os.getuid(), flush=True)
"""


class AtOnce(single.Case):
    def test_ready_says_how_many(self):
        with Many(slots=3) as many:
            self.assertEqual((many.ready["type"], many.ready["slots"], many.session.hello()["slots"]), ("ready", 3, 3))

    def test_outputs_interleave(self):
        code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)\nimport time\nfor i in range(6): print(i, flush=True); time.sleep(0.1)"
        with Many() as many:
            for name in ("a", "b"):
                many.execute(name, code, stdin=name + "\n")
            for name in ("a", "b"):
                self.assertEqual(self.exited(many.answer(name)).stdout.decode(), name + "\n0\n1\n2\n3\n4\n5\n")
            outputs = [name for kind, name in many.order if kind == "output"]
            self.assertLess(outputs.index("b"), len(outputs) - 1 - outputs[::-1].index("a"))
            self.assertLess(outputs.index("a"), len(outputs) - 1 - outputs[::-1].index("b"))

    def test_standard_streams_can_be_opened_by_name(self):
        code = "print(open('/dev/stdin').read(), end='', flush=True)\nfor name in ('stdout', 'stderr'):\n    with open('/dev/' + name, 'w') as f: f.write(name)"
        with Many() as many:
            answer = self.exited(many.run(code, stdin="line\n"))
            self.assertEqual((answer.stdout, answer.stderr), (b"line\nstdout", b"stderr"))

    def test_a_result_frees_its_slot_at_once(self):
        with Many(slots=2) as many:
            many.execute("long", "import time; time.sleep(60)")
            for number in range(12):
                self.assertEqual(self.exited(many.run("print(%d)" % number, "e%d" % number)).stdout.decode(), "%d\n" % number)

    def test_more_than_slots_is_a_fault_of_that_one(self):
        with Many(slots=1) as many:
            many.execute("a", "import time; time.sleep(0.5); print('on')")
            many.execute("b", "print(2)")
            self.assertEqual(many.answer("b").type, "fault")
            self.assertEqual(self.exited(many.answer("a")).stdout, b"on\n")
            self.assertEqual(many.run("print(3)", "c").type, "fault")  # it is retired

    def test_a_flood_delays_nobody(self):
        """The runner does not read for a while: the flood waits in its pipe, and does not fill the stream before the others."""
        with Many() as many:
            many.execute("flood", "while True: print('x' * 8000)", outputBytes=1 << 30, wallTimeMs=20_000, cpuTimeMs=20_000)
            time.sleep(0.5)
            many.execute("small", "print('here')")
            time.sleep(0.5)
            self.assertEqual(self.exited(many.answer("small")).stdout, b"here\n")
            self.assertLess(len(many.output["flood"]["stdout"]), 8 * MIB)
            many.session.send({"type": "cancel", "id": "flood"})
            self.ended_by("cancelled", many.answer("flood"))

    def test_bombs_beside_a_neighbour(self):
        steady = "import time\nfor i in range(40): print(i, flush=True); time.sleep(0.05)"
        bombs = {
            "forks": ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", {"wallTimeMs": 1200}, "wall_time"),
            "memory": ("x = []\nwhile True: x.append(b'x' * (1 << 20))", {}, "memory"),
            "disk": ("import os\nfor i in range(9999):\n  f = open('/tmp/%d' % i, 'wb', 0)\n  while f.write(b'x' * 65536) == 65536: pass", {"memoryBytes": 1 << 30}, "exited"),
        }
        with Many() as many:
            many.execute("steady", steady)
            for name, (code, limits, _) in bombs.items():
                many.execute(name, code, **limits)
            for name, (_, _, cause) in bombs.items():
                self.assertEqual(many.answer(name).cause, cause, name)
            answer = self.exited(many.answer("steady"))
            self.assertEqual(len(answer.stdout.split()), 40)
            self.assertEqual(self.exited(many.run("open('/tmp/x', 'wb').write(bytes(10 << 20)); print(1)", "after")).stdout, b"1\n")

    def test_who_computes_for_long_lets_others_go_first(self):
        code = """if 1:
            import os, time
            mine = lambda: os.getpriority(os.PRIO_PROCESS, 0)
            nice = [mine()]
            while time.process_time() < 0.6: nice.append(mine())
            if os.fork(): os.wait()
            print(nice[0], nice[-1], mine())"""
        with Many() as many:
            self.assertEqual(self.exited(many.run(code, "long")).stdout, b"0 7 7\n0 7 7\n")
            quick = "import os, time; time.sleep(0.5); print(os.getpriority(os.PRIO_PROCESS, 0))"
            self.assertEqual(self.exited(many.run(quick, "quick")).stdout, b"0\n")

    def test_cancel_of_one_of_several(self):
        with Many(slots=2) as many:
            for name in ("a", "b"):
                many.execute(name, "import time\nprint(1, flush=True)\ntime.sleep(1)")
            many.session.send({"type": "cancel", "id": "a"})
            self.assertEqual(many.answer("a").cause, "cancelled")
            self.exited(many.answer("b"))

    def test_end_of_stream_ends_all(self):
        with Many() as many:
            for name in ("a", "b", "c"):
                many.execute(name, "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)")
            for name in ("a", "b", "c"):
                many.until_output(name)
            many.session.process.stdin.close()
            self.assertEqual(many.session.exit_code(3.0), 0)

    def test_sigterm_ends_all(self):
        with Many() as many:
            many.execute("a", "import time\nprint(1, flush=True)\ntime.sleep(60)")
            many.until_output("a")
            children = NothingLeft.below(many.session.process.pid)
            os.kill(children[0] if children else many.session.process.pid, 15)
            self.assertEqual(many.session.exit_code(3.0), 0)

    def test_bad_file_name_is_a_fault_and_the_others_go_on(self):
        with Many() as many:
            many.execute("a", "import time; time.sleep(0.3); print('on')")
            many.execute("b", "print(2)", files=[{"name": "../x", "content": "", "encoding": "utf8"}])
            self.assertEqual(many.answer("b").type, "fault")
            self.assertEqual(self.exited(many.answer("a")).stdout, b"on\n")

    def test_what_a_guest_does_at_its_end(self):
        for name, code in {
            "daemon": "import os, time\nprint('main', flush=True)\nif not os.fork():\n    os.setsid()\n    if not os.fork(): time.sleep(60)\n    os._exit(0)",
            "closed stdio": "import os\nprint('main', flush=True)\nos.closerange(0, 64)\nos._exit(0)",
        }.items():
            with self.subTest(name), Many(slots=1) as many:
                self.assertEqual(self.exited(many.run(code)).stdout, b"main\n")
                self.assertEqual(self.exited(many.run("import os; print([p for p in os.listdir('/proc') if p.isdigit()])", "next")).stdout, b"['1', '2']\n")

    def test_variables_that_act_at_the_start(self):
        """For an interpreter that forks, and for one whose warm guests are another program: a sandbox of the other kind replaces a warm one."""
        with tempfile.TemporaryDirectory() as folder:
            warm = [single.PYTHON, "-c", "import os, json, sys\nline = b''\nwhile not line.endswith(b'\\n'): line += os.read(3, 9999)\nos.close(3)\nos.environ.update(json.loads(line)['env'])\nexec(open('{file}').read())"]
            path = single.language_file(folder, warm=warm, coldEnv=["PYTHON*"])
            for language in ("python", path):
                with self.subTest(language), Many(language, slots=2) as many:
                    code = "import sys, os; print(sys.flags.optimize, os.environ['A'])"
                    for number in range(3):
                        self.assertEqual(self.exited(many.run(code, "c%d" % number, env={"PYTHONOPTIMIZE": "1", "A": "b"})).stdout, b"1 b\n")
                        self.assertEqual(self.exited(many.run(code, "w%d" % number, env={"A": "c"})).stdout, b"0 c\n")


class Apart(single.Case):
    """Guests against each other."""

    def test_processes_files_and_terminals_of_others(self):
        with Many() as many:
            many.execute("a", "import os, time\nopen('/tmp/secret', 'w').close(); open('/dev/shm/secret', 'w').close(); m, s = os.openpty()\n%s\ntime.sleep(60)" % LOOK)
            many.until_output("a")
            answer = self.exited(many.run(LOOK, "b"))
            text = many.output["a"]["stdout"].decode()
            self.assertEqual(answer.stdout.decode().rsplit(None, 1)[0], "['1', '2'] ['work'] [] ['ptmx']")
            self.assertTrue(text.startswith("['1', '2'] ['secret', 'work'] ['secret'] ["), text)
            self.assertNotEqual(text.split()[-1], answer.stdout.decode().split()[-1])

    def test_abstract_sockets_and_their_names(self):
        with Many() as many:
            many.execute("a", "import socket, time\ns = socket.socket(socket.AF_UNIX); s.bind('\\0secret'); s.listen()\nprint(1, flush=True); time.sleep(60)")
            many.until_output("a")
            code = "import socket\ns = socket.socket(socket.AF_UNIX)\ntry: s.connect('\\0secret'); print('REACHED')\nexcept OSError as e: print(type(e).__name__)\nprint('secret' in open('/proc/net/unix').read())"
            self.assertEqual(self.exited(many.run(code, "b")).stdout, b"ConnectionRefusedError\nFalse\n")

    def test_message_queues(self):
        code = "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nprint(l.syscall(240, b'secret', 0o102, 0o600, None) > 0, flush=True)\nimport time; time.sleep(%s)"
        look = "import ctypes\nprint(ctypes.CDLL(None).syscall(240, b'secret', 2, 0, None) > 0)"
        if os.uname().machine == "x86_64":
            with Many() as many:
                many.execute("a", code % 60)
                many.until_output("a")
                self.assertEqual(many.output["a"]["stdout"].decode(), "%s\n" % (single.agent.LANDLOCK_ABI < 2))  # Landlock knows no place for them, and refuses
                self.assertEqual(self.exited(many.run(look, "b")).stdout, b"False\n")

    def test_a_uid_that_nobody_else_has(self):
        with Many(slots=2) as many:
            answers = [self.exited(many.run("import os; print(os.getuid(), os.getgid(), os.getgroups())", "e%d" % n)).stdout for n in range(6)]
            uids = [int(answer.split()[0]) for answer in answers]
            self.assertEqual(len(set(uids)), 6)
            self.assertEqual(answers, [b"%d %d []\n" % (uid, uid) for uid in uids])

    def test_init_and_nursery_are_out_of_reach(self):
        code = """
import os, signal
for pid in (1, -1):
    for number in (9, 15, 2, 19):
        try: os.kill(pid, number); print('signalled', pid, number) if pid == 1 else None
        except PermissionError: pass
        except ProcessLookupError: pass
for name in ('mem', 'environ', 'maps', 'fd', 'root', 'cwd', 'ns/net', 'oom_score_adj'):
    path = '/proc/1/' + name
    for mode in (os.O_RDONLY, os.O_RDWR):
        try: print(path, os.listdir(path) if name == 'fd' else os.open(path, mode))
        except OSError: pass
        else:
            if name == 'oom_score_adj' and mode == os.O_RDONLY: print('readable')
print(os.getppid())
"""
        with Many(slots=1) as many:
            lines = [line for line in self.exited(many.run(code)).stdout.decode().splitlines() if "oom_score_adj" not in line and line != "readable"]
            self.assertEqual(lines, ["1"])

    def test_what_the_node_and_the_pod_are_is_hidden(self):
        code = "import os\nprint([len(open('/proc/' + n).read()) for n in ('interrupts', 'keys') if os.path.exists('/proc/' + n)], os.path.exists('/runlet') and os.access('/runlet', os.W_OK), [d for d, _, fs in os.walk('/sys/firmware') if fs])"
        with Many(slots=1) as many:
            answer = self.exited(many.run(code))
            self.assertRegex(answer.stdout.decode(), r"^\[(0(, 0)*)?\] False \[\]\n$")


class NothingLeft(single.Case):
    INSIDE = "import os; print(len(os.listdir('/proc/self/fd')), sorted(os.listdir('/tmp')), len(open('/proc/self/mountinfo').readlines()))"

    def agent_facts(self, pid):
        """(descriptors, mounts, processes, bytes) of the agent, whose pid is that in our own namespace."""
        with open("/proc/%d/mountinfo" % pid) as mounts, open("/proc/%d/statm" % pid) as sizes:
            return len(os.listdir("/proc/%d/fd" % pid)), len(mounts.readlines()), int(sizes.read().split()[1]) * 4096

    @staticmethod
    def below(pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            return [int(word) for word in children.read().split()]

    def settled(self, pid, count):
        """The children of the agent, when there are `count` of them."""
        deadline = time.monotonic() + 10
        while len(self.below(pid)) != count and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(self.below(pid))

    def test_hundreds_in_a_row(self):
        with Many() as many:
            agent = (self.below(many.session.process.pid) or [many.session.process.pid])[0]
            tmp = "open('/tmp/' + 'left', 'wb').write(bytes(1 << 20)); import os; os.fork()\n"
            first = self.exited(many.run(self.INSIDE, "first")).stdout
            self.exited(many.run(tmp, "tmp"))
            self.assertEqual(self.settled(agent, SLOTS + 1), SLOTS + 1)
            before = self.agent_facts(agent)
            started = 0
            for _ in range(SLOTS):
                many.execute("n%d" % started, tmp)
                started += 1
            while started < 300:
                many.step()
                for name in list(many.answers):
                    self.exited(many.answers.pop(name))
                    many.execute("n%d" % started, tmp)
                    started += 1
            while len(many.order) and many.step() and len([1 for kind, name in many.order if kind == "result" and name[0] == "n"]) < started:
                pass
            self.assertEqual(self.settled(agent, SLOTS + 1), SLOTS + 1)
            after = self.agent_facts(agent)
            self.assertEqual(after[:2], before[:2])
            self.assertLess(after[2], before[2] + 4 * MIB)
            self.assertEqual(self.exited(many.run(self.INSIDE, "last")).stdout, first)


class Phases(single.Case):
    def language(self, folder):
        return single.language_file(
            folder, compile=[single.PYTHON, "-c", "import os, sys\nsource = open('{file}').read()\nif 'daemon' in source and not os.fork():\n    import time; time.sleep(60)\nprint('compiling')\nopen('out', 'w').write(source)\nsys.exit('bad' in source)"],
            run=[single.PYTHON, "out"])

    def test_compile_then_run(self):
        with tempfile.TemporaryDirectory() as folder, Many(self.language(folder)) as many:
            answer = self.exited(many.run("print(input(), open('/proc/self/cmdline').read().split(chr(0))[2:-1]) # daemon", stdin="in", args=["x"]))
            self.assertEqual((answer.stdout, answer.phase), (b"compiling\nin ['x']\n", "run"))
            answer = self.exited(many.run("bad", "e2"), 1)
            self.assertEqual((answer.stdout, answer.phase), (b"compiling\n", "compile"))
            for number in range(8):
                self.exited(many.run("print(1)", "n%d" % number))

    def test_a_command_that_does_not_exist(self):
        with tempfile.TemporaryDirectory() as folder, Many(single.language_file(folder, run=["no-such-program"])) as many:
            self.assertEqual(many.run("", "e1").type, "fault")

    def test_a_warm_command_that_does_not_exist(self):
        with tempfile.TemporaryDirectory() as folder, Many(single.language_file(folder, warm=["no-such-program"])) as many:
            self.assertEqual((many.ready["type"], many.ready["id"]), ("fault", None))
            self.assertTrue(re.search("no-such-program|before they are used", many.ready["message"]))


class Turns(unittest.TestCase):
    """FairOutlet on a pipe that nobody reads, then somebody does."""

    def setUp(self):
        sys.modules["agent"] = single.agent
        self.nested = load("nested")
        self.reader, writer = os.pipe()
        self.outlet = self.nested.FairOutlet(single.agent.Loop(), writer)

    def tearDown(self):
        os.close(self.reader)
        os.close(self.outlet.fd)

    def read_all(self):
        data = b""
        while self.outlet.waiting or self.outlet.turns:
            data += os.read(self.reader, 1 << 20)
            self.outlet.flush()
        return data + os.read(self.reader, 1 << 20)

    def test_each_has_its_turn(self):
        for letter in (b"a", b"b"):
            for _ in range(200):
                self.outlet.send(letter * 9999 + b"\n", 1.0, letter)
        self.outlet.send(b"small\n", 0.0, "c")
        lines = self.read_all().split(b"\n")[:-1]
        self.assertEqual(sum(line[:1] == b"a" for line in lines), 200)
        self.assertEqual(sum(line[:1] == b"b" for line in lines), 200)
        # What was in the pipe or about to be written when `b` and `c` came is ahead of them; from then on they alternate.
        first = next(at for at, line in enumerate(lines) if line[:1] == b"b")
        self.assertEqual([line[:1] for line in lines[first:first + 100] if line != b"small"][:99], ([b"b", b"a"] * 50)[:99])
        self.assertLess(lines.index(b"small"), first + 30)

    def test_pauses_and_goes_on(self):
        told = []
        while not self.outlet.full("a"):
            self.outlet.send(b"x" * 9999, 0.0, "a")
        self.outlet.paused["a"] = lambda: told.append("a")
        self.assertEqual(told, [])
        self.read_all()
        self.assertEqual(told, ["a"])
        self.assertFalse(self.outlet.full("a"))


if __name__ == "__main__":
    unittest.main()
