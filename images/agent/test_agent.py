# One file, longer than 300 lines: it goes with the one-file agent, and needs nothing but Python, bubblewrap and setpriv either.
"""Proves the agent as a real process: as PID 1 under bubblewrap with a uid that nobody has, and also without that. Run: /usr/bin/python3 test_agent.py"""
import base64, ctypes, glob, importlib.util, itertools, json, os, random, select, shutil, struct, subprocess, tempfile, time, unittest  # noqa: E401

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = os.path.dirname(HERE)
VECTORS = sorted(glob.glob(os.path.join(IMAGES, "..", "tests", "fixtures", "frames", "*.json")))
PYTHON = "/usr/bin/python3"
MIB = 1 << 20
LIMITS = {"wallTimeMs": 5000, "cpuTimeMs": 5000, "memoryBytes": 128 * MIB, "outputBytes": 65536, "processes": 64, "openFiles": 256, "fileSizeBytes": 16 * MIB}
UIDS = itertools.count(1_800_000_000 + os.getpid() % 100_000 * 1000)  # one each: RLIMIT_NPROC counts a uid's processes over the whole machine

spec = importlib.util.spec_from_file_location("agent", os.path.join(HERE, "agent.py"))
agent = importlib.util.module_from_spec(spec)
spec.loader.exec_module(agent)


def as_nobody():
    """Root drops to a uid of its own; anybody else stays who he is."""
    uid = str(next(UIDS))
    return ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"] if os.getuid() == 0 else []


def sandbox(language):
    return [
        *as_nobody(), "bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin",
        "--setenv", "SECRET", "of the agent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin",
        "--proc", "/proc", "--dev", "/dev", "--size", str(32 * MIB), "--tmpfs", "/dev/shm", "--size", str(64 * MIB), "--tmpfs", "/tmp", "--ro-bind", IMAGES, "/runlet",
        "--ro-bind", os.path.dirname(language), "/language", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp",
        PYTHON, "-I", "-S", "-E", "/runlet/agent/agent.py", "/language/language.json"]


class Session:
    """One agent and its stream."""

    def __init__(self, language="python", command=None):
        path = language if "/" in language else os.path.join(IMAGES, language, "language.json")
        self.process = subprocess.Popen(command or sandbox(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.frames, self.rest = [], b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def send(self, frame):
        self.send_line(json.dumps(frame))

    def send_line(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def receive(self, seconds=20.0):
        """The next frame; None at the end of the stream."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            if not select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError("no frame within %.1f s" % seconds)
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        assert len(line) <= 256 * 1024
        return json.loads(line)

    def hello(self):
        self.send({"type": "hello", "protocol": 1})
        return self.receive()

    def execute(self, code, stdin="", args=(), env=None, files=(), execution="e1", **limits):
        self.send({"type": "execute", "id": execution, "code": code, "stdin": stdin, "args": list(args), "env": env or {}, "files": list(files), "limits": {**LIMITS, **limits}})

    def end(self):
        """Everything up to `result` or `fault`."""
        output = {"stdout": b"", "stderr": b""}
        while True:
            frame = self.receive()
            if frame is None:
                raise AssertionError("the agent ended: %r" % self.process.stderr.read())
            if frame["type"] != "output":
                return Answer(frame, output["stdout"], output["stderr"])
            output[frame["stream"]] += base64.b64decode(frame["data"]) if frame["encoding"] == "base64" else frame["data"].encode()

    def exit_code(self, seconds=5.0):
        return self.process.wait(seconds)


class Answer:
    def __init__(self, frame, stdout, stderr):
        self.frame, self.stdout, self.stderr = frame, stdout, stderr

    def __getattr__(self, name):
        return self.frame[name]


def run(code, language="python", command=None, **options):
    with Session(language, command) as session:
        session.hello()
        session.execute(code, **options)
        return session.end()


def language_file(folder, **fields):
    path = os.path.join(folder, "language.json")
    with open(path, "w") as target:
        json.dump({"name": "test", "aliases": [], "file": "main.py", "run": [PYTHON, "{file}"], "version": [PYTHON, "--version"], **fields}, target)
    os.chmod(folder, 0o755)
    return path


class Case(unittest.TestCase):
    def exited(self, answer, code=0):
        self.assertEqual((answer.type, answer.frame.get("cause"), answer.frame.get("exitCode")), ("result", "exited", code), (answer.frame, answer.stdout[-500:], answer.stderr[-500:]))
        return answer

    def prints(self, code, expected, **options):
        answer = self.exited(run(code, **options))
        self.assertEqual(answer.stdout.decode(), expected)
        return answer

    def ended_by(self, cause, answer, signal="SIGKILL"):
        self.assertEqual((answer.type, answer.frame.get("cause"), answer.frame.get("signal")), ("result", cause, signal), (answer.frame, answer.stderr[-300:]))
        self.assertIsNone(answer.exitCode)
        return answer


class FrameVectors(Case):
    def vectors(self, direction):
        for path in VECTORS:
            with open(path) as source:
                vector = json.load(source)
            if vector["direction"] == direction:
                text, count = vector.get("repeat", ("", 0))
                with self.subTest(os.path.basename(path)):
                    yield vector, vector["line"].replace("@@", text * count).encode()

    def read(self, line):
        reader = agent.LineReader()
        lines = [whole for part in (line[:7], line[7:] + b"\n") for whole in reader.push(part)]
        self.assertEqual(lines, [line])
        return agent.parse_frame(lines[0])

    def test_there_are_vectors(self):
        self.assertGreater(len(VECTORS), 60)

    def test_frames_to_the_agent(self):
        for vector, line in self.vectors("runner"):
            if vector["valid"]:
                frame = self.read(line)
                known = {"type", *agent.FRAMES[frame["type"]]}
                frame = {name: value for name, value in frame.items() if name in known}
                if "limits" in frame:
                    frame["limits"] = {name: frame["limits"][name] for name in agent.LIMIT_NAMES}
                self.assertEqual(frame, vector["frame"])
            else:
                with self.assertRaises(agent.FrameError):
                    self.read(line)

    def test_frames_of_the_agent_are_encoded_like_the_vectors(self):
        for vector, line in self.vectors("agent"):
            if vector["valid"]:
                self.assertEqual(json.loads(agent.encode_frame(vector["frame"])), vector["frame"])
            if vector["valid"] and vector["frame"]["type"] == "output":
                frame = vector["frame"]
                data = base64.b64decode(frame["data"]) if frame["encoding"] == "base64" else frame["data"].encode()
                self.assertEqual(json.loads(agent.output_frame(frame["id"], frame["stream"], data)), {**frame, "encoding": self.natural(data), "data": self.text(data)})

    @staticmethod
    def natural(data):
        try:
            data.decode()
            return "utf8"
        except UnicodeDecodeError:
            return "base64"

    def text(self, data):
        return data.decode() if self.natural(data) == "utf8" else base64.b64encode(data).decode()

    def test_the_line_reader_holds_no_more_than_the_limit(self):
        reader = agent.LineReader(10)
        self.assertEqual(list(reader.push(b"a\n\n1234567890\nrest")), [b"a", b"", b"1234567890"])
        with self.assertRaises(agent.FrameError):
            list(reader.push(b"1234567"))


class Handshake(Case):
    def test_silent_until_hello_then_ready_as_often_as_asked(self):
        with Session() as session:
            self.assertEqual(select.select([session.process.stdout], [], [], 0.4)[0], [])
            ready = session.hello()
            self.assertEqual({**ready, "version": ""}, {"type": "ready", "protocol": 1, "language": "python", "version": "", "slots": 1})
            self.assertRegex(ready["version"], r"^3\.\d+\.\d+$")
            self.assertEqual(session.hello(), ready)

    def test_end_of_stream_when_idle(self):
        with Session() as session:
            session.hello()
            session.process.stdin.close()
            self.assertEqual(session.exit_code(1.0), 0)

    def test_end_of_stream_before_hello(self):
        with Session() as session:
            session.process.stdin.close()
            self.assertEqual(session.exit_code(2.0), 0)

    def test_nobody_greets(self):
        """The wait of 30 s cut to 0.5 s; as PID 1 or not makes no difference to it."""
        start = "import importlib.util, sys; spec = importlib.util.spec_from_file_location('agent', %r); agent = importlib.util.module_from_spec(spec); " \
                "spec.loader.exec_module(agent); agent.GREETING_S = 0.5; agent.main(['agent.py', %r, sys.argv[1]])"
        with tempfile.TemporaryDirectory() as folder:
            command = [PYTHON, "-I", "-c", start % (agent.__file__, os.path.join(IMAGES, "bash", "language.json")), os.path.join(folder, "work")]
            with Session(command=command) as session:
                self.assertEqual(session.exit_code(10.0), 0)

    def test_end_of_stream_kills_the_guest(self):
        with Session() as session:
            session.hello()
            session.execute("import time, signal\nsignal.signal(15, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)")
            self.assertEqual(session.receive()["type"], "output")
            session.process.stdin.close()
            self.assertEqual(session.exit_code(1.0), 0)
            self.assertIsNone(session.receive())

    def test_lingers_for_two_seconds_after_the_result(self):
        with Session() as session:
            session.hello()
            session.execute("pass")
            session.end()
            began = time.monotonic()
            self.assertEqual(session.exit_code(4.0), 0)
            self.assertAlmostEqual(time.monotonic() - began, 2.0, delta=0.5)

    def test_faults(self):
        second = {"type": "execute", "id": "e2", "code": "", "stdin": "", "args": [], "env": {}, "files": [], "limits": LIMITS}
        for name, lines in {
            "no json": ["{"], "unknown type": ['{"type":"dance"}'], "not utf-8 text": ['"\\ud800'],
            "other version": ['{"type":"hello","protocol":9}'], "execute before hello": [json.dumps(second)],
        }.items():
            with self.subTest(name), Session() as session:
                for line in lines:
                    session.send_line(line)
                self.assertEqual(session.receive()["type"], "fault")
                self.assertEqual(session.exit_code(), 1)

    def test_a_used_sandbox_takes_no_second_execution(self):
        with Session() as session:
            session.hello()
            session.execute("print(1)")
            session.end()
            session.execute("print(2)", execution="e2")
            fault = session.receive()
            self.assertEqual((fault["type"], fault["id"]), ("fault", "e2"))

    def test_a_frame_in_pieces(self):
        with Session() as session:
            for byte in b'{"type":"hello","protocol":1}\n':
                session.process.stdin.write(bytes([byte]))
            self.assertEqual(session.receive()["type"], "ready")

    def test_a_runner_that_does_not_read_holds_nothing_up(self):
        with Session() as session:
            session.hello()
            session.execute("print('\\x01' * 900_000)", outputBytes=MIB)
            time.sleep(0.5)
            answer = self.exited(session.end())
            self.assertEqual(len(answer.stdout), 900_001)


class Programs(Case):
    def test_output_and_exit(self):
        answer = self.prints("print('hé 😀')", "hé 😀\n")
        self.assertEqual((answer.phase, answer.signal, answer.truncated, answer.stderr), ("run", None, False, b""))
        self.assertLess(answer.wallTimeMs, 1000)
        self.assertLess(answer.cpuTimeMs, 200)
        self.assertGreater(answer.memoryBytes, 4 * MIB)

    def test_exit_codes_and_signals(self):
        self.exited(run("raise SystemExit(7)"), 7)
        self.exited(run("import os; os._exit(0)"))
        self.exited(run("1/0"), 1)
        for name in ("SIGKILL", "SIGSEGV", "SIGTERM"):
            answer = run("import os, signal; os.kill(os.getpid(), signal.%s)" % name)
            self.assertEqual((answer.cause, answer.exitCode, answer.signal), ("exited", None, name))

    def test_binary_output_is_exact(self):
        data = bytes(range(256)) * 64
        answer = self.exited(run("import sys; sys.stdout.buffer.write(bytes(range(256)) * 64); sys.stderr.buffer.write(b'\\xff')"))
        self.assertEqual((answer.stdout, answer.stderr), (data, b"\xff"))

    def test_standard_input(self):
        text = "zeile ü\n" * 400_000
        self.prints("import sys; data = sys.stdin.read(); print(len(data), data[-5:])", "%d le ü\n\n" % len(text), stdin=text)
        self.prints("print(input(), input())", "a b\n", stdin="a\nb")
        self.prints("import sys; print(sys.stdin.buffer.read())", "b''\n")
        self.prints("print(1)", "1\n", stdin=text)  # never read

    def test_arguments_and_environment(self):
        code = "import sys, os, json; print(json.dumps([sys.argv, sys.orig_argv[1:], dict(os.environ)]))"
        expected = [["main.py", "a", "", "-x", "ü"], ["main.py", "a", "", "-x", "ü"], {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "A": "ü", "E": ""}]
        self.prints(code, json.dumps(expected) + "\n", args=["a", "", "-x", "ü"], env={"A": "ü", "E": ""})

    def test_variables_that_act_at_the_start(self):
        self.prints("import sys; print(sys.flags.optimize, sys.argv[1:], __debug__)", "1 ['z'] False\n", env={"PYTHONOPTIMIZE": "1"}, args=["z"])
        self.prints("import os, time; print(os.environ['HOME'], time.tzname[0])", "/x XST\n", env={"HOME": "/x", "TZ": "XST-3"})

    def test_files(self):
        files = [{"name": "lib/deep/m.py", "content": "x = 'ü'", "encoding": "utf8"}, {"name": "raw.bin", "content": base64.b64encode(b"\xff\0").decode(), "encoding": "base64"}]
        self.prints("from lib.deep.m import x; print(x, open('raw.bin', 'rb').read(), __file__)", "ü b'\\xff\\x00' /tmp/work/main.py\n", files=files)

    def test_file_names_that_lead_elsewhere(self):
        for name in ("/tmp/x", "../x", "a/../../x", "a//b", ".", "", "a/", "a\0b"):
            with self.subTest(name):
                answer = run("print(1)", files=[{"name": name, "content": "", "encoding": "utf8"}])
                self.assertEqual((answer.type, answer.id), ("fault", "e1"))

    def test_files_that_contradict_each_other_are_the_requests_doing(self):
        for name in ("main.py/x", "x" * 300):
            with self.subTest(name[:20]):
                answer = self.exited(run("print(1)", files=[{"name": name, "content": "", "encoding": "utf8"}]), 126)
                self.assertIn(b"cannot write the files", answer.stderr)

    def test_a_path_in_the_request_does_not_choose_the_interpreter(self):
        self.prints("import os; print(os.environ['PATH'])", "/nowhere\n", env={"PATH": "/nowhere"})

    def test_bash(self):
        answer = self.exited(run("read x; echo \"$0 $1 $x $V\"; echo err >&2; exit 3", language="bash", args=["one two"], stdin="in\n", env={"V": "v"}), 3)
        self.assertEqual((answer.stdout, answer.stderr), (b"main.sh one two in v\n", b"err\n"))

    def test_bash_pipelines_and_default_signals(self):
        answer = self.exited(run("set -o pipefail; yes | head -1; echo ${PIPESTATUS[0]}; trap", language="bash"))
        self.assertEqual(answer.stdout, b"y\n141\n")

    def test_compile(self):
        with tempfile.TemporaryDirectory() as folder:
            path = language_file(folder, compile=[PYTHON, "-c", "import sys; src = open('{file}').read(); sys.exit(src) if 'bad' in src else open('out', 'w').write(src + '; print(input())')"], run=[PYTHON, "out"])
            self.prints("print(1)", "1\nin\n", language=path, stdin="in")
            answer = self.exited(run("bad", language=path), 1)
            self.assertEqual((answer.phase, answer.stderr), ("compile", b"bad\n"))

    def test_a_command_that_does_not_exist_is_our_fault(self):
        with tempfile.TemporaryDirectory() as folder:
            answer = run("", language=language_file(folder, run=["no-such-program"]))
            self.assertEqual((answer.type, answer.id), ("fault", "e1"))

    def test_a_warm_guest_that_keeps_dying_is_a_fault(self):
        with tempfile.TemporaryDirectory() as folder, Session(language_file(folder, warm=["false"])) as session:
            self.assertEqual(session.hello()["type"], "fault")

    def test_libraries_work(self):
        self.prints(LIBRARIES, "".join(name + " ok\n" for name in ("thread", "asyncio", "subprocess", "fork pool", "spawn pool", "shared memory", "socketpair", "affinity", "sqlite", "mkfifo", "pty")))


LIBRARIES = """
import asyncio, multiprocessing, os, socket, sqlite3, subprocess, sys, threading
from multiprocessing import shared_memory

def double(x): return 2 * x

def check(name, value):
    print(name, 'ok' if value else 'BROKEN', flush=True)

async def child():
    process = await asyncio.create_subprocess_exec(sys.executable, '-c', 'print(4)', stdout=-1)
    return (await process.communicate())[0]

if __name__ == '__main__':
    got = []; t = threading.Thread(target=got.append, args=(1,)); t.start(); t.join()
    check('thread', got)
    check('asyncio', asyncio.run(child()) == b'4\\n')
    check('subprocess', subprocess.run('echo $((40+2))', shell=True, capture_output=True).stdout == b'42\\n')
    for method in ('fork', 'spawn'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            check(method + ' pool', pool.map(double, [1, 2]) == [2, 4])
    block = shared_memory.SharedMemory(create=True, size=1 << 20); block.buf[5] = 7
    other = shared_memory.SharedMemory(block.name)
    check('shared memory', other.buf[5] == 7); block.unlink()
    a, b = socket.socketpair(); a.send(b'x')
    check('socketpair', b.recv(1) == b'x')
    os.sched_setaffinity(os.getpid(), os.sched_getaffinity(0)); os.nice(1)
    check('affinity', True)
    check('sqlite', sqlite3.connect('d.sqlite').execute('select 1').fetchone() == (1,))
    os.mkfifo('pipe')
    check('mkfifo', True)
    import pty; m, s = os.openpty()
    check('pty', os.isatty(s))
"""


class WarmIsPlain(Case):
    """The warm guest against the same interpreter started after the claim."""

    PROGRAMS = {
        "modules": "import sys; print(sorted(sys.modules), list(vars()), __name__, __file__, __spec__, __cached__ if '__cached__' in vars() else 0, __builtins__, __doc__, __loader__)",
        "sys": "import sys; print(sys.argv, sys.orig_argv, sys.path, sys.flags, sys.executable, sys.prefix, sys.warnoptions, sys._xoptions, sys.dont_write_bytecode, sorted(sys.path_importer_cache), [type(f).__name__ for f in sys.meta_path])",
        "site": "import site, sys; print(site.ENABLE_USER_SITE, site.USER_BASE, site.PREFIXES, hasattr(sys, 'last_value'), hasattr(sys, 'last_exc'))",
        "process": "import os, sys; print(os.listdir('/proc/self/fd'), os.environ, os.getcwd(), os.getppid(), os.getsid(0) == os.getpid(), os.umask(0), os.listdir('.'), open('/proc/self/cmdline').read(), os.getpriority(0, 0))",
        "signals": "print([l for l in open('/proc/self/status') if l[:3] in ('Sig', 'Shd', 'Sec', 'NoN')])",
        "limits": "import resource; print([(n, resource.getrlimit(getattr(resource, n))) for n in dir(resource) if n[:7] == 'RLIMIT_' and n != 'RLIMIT_CPU'])",
        "streams": "import sys; print([(s.encoding, s.errors, s.line_buffering, s.mode, s.name, s.isatty()) for s in (sys.stdin, sys.stdout, sys.stderr)])",
        "frames": "import sys, traceback; print(sys._getframe().f_back, traceback.format_stack())",
        "zero": "def f(n):\n    return 1 / n\n\nf(0)\n",
        "syntax": "print('never')\nx = = 1\n",
        "indent": "if True:\npass\n",
        "encoding": "# -*- coding: latin-1 -*-\nprint('é', len('é'))\n",
        "bad encoding": "# -*- coding: nonsense -*-\n",
        "chained": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e\n",
        "group": "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
        "recursion": "def f(): f()\nf()",
        "exit text": "raise SystemExit('bye')",
        "exit none": "import sys; print(1); sys.exit()",
        "interrupt": "raise KeyboardInterrupt",
        "thread": "import threading\nthreading.Thread(target=lambda: 1 / 0, name='t').start()",
        "atexit": "import atexit; atexit.register(print, 'last'); atexit.register(lambda: 1 / 0); print('first')",
        "hook": "import sys; sys.excepthook = lambda *a: print('hook', a[0].__name__, a[2].tb_frame.f_code.co_name); x",
        "buffer at exit": "import os, sys; print('lost'); sys.stderr.write('kept'); os._exit(3)",
        "unraisable": "class A:\n    def __del__(self): 1 / 0\na = A(); del a; print('on')",
        "source": "import inspect, linecache\ndef f():\n    return 1 # x\nprint(inspect.getsource(f), linecache.getline(__file__, 2), inspect.getfile(f))",
        "pickle": "import pickle\nclass P:\n    def __init__(self): self.x = 1\nprint(pickle.loads(pickle.dumps(P())).x, P.__module__, P)",
        "future": "def f(a: undefined) -> int: ...\n",
        "annotations": "x: int = 1\nprint(__annotations__)",
        "fork": "import os\nif not os.fork():\n    print('child', __name__)\nelse:\n    os.wait(); print('parent')",
        "forkserver": "import multiprocessing as m\ndef f(q): q.put((__name__, __file__))\nif __name__ == '__main__':\n    for k in ('spawn', 'forkserver'):\n        c = m.get_context(k); q = c.Queue(); p = c.Process(target=f, args=(q,)); p.start(); print(q.get()); p.join()",
        "import self": "import sys\nif __name__ == '__main__':\n    import main; print(main is sys.modules['__main__'], main.__name__, main.__cached__)",
        "main again": "import runpy, sys\nprint(__name__)\nif len(sys.argv) < 3:\n    sys.argv.append('x'); runpy.run_path('main.py', run_name='__main__')",
        "stdin": "import sys; print(input('? '), sys.stdin.readline(), list(sys.stdin), sys.stdin.read())",
        "stdin fd": "import os; print(open(0).read(), os.read(0, 1))",
        "eof": "input(); input(); input(); input()",
        "pdb": "import pdb; x = 1; pdb.set_trace(); x = 2",
        "warning": "import warnings; warnings.warn('old', DeprecationWarning); assert_ = 'x' is 'x'",
        "trace": "import sys\nsys.settrace(lambda f, e, a: print(f.f_code.co_name, e))\ndef g(): pass\ng()",
        "gc": "import gc, sys; print(gc.isenabled(), gc.get_threshold(), gc.garbage, [o for o in gc.get_objects() if getattr(o, '__name__', '') in ('usercustomize', 'vanish', 'wait')])",
        "referrers": "import gc, sys; print(len(gc.get_objects()) > 3000, len(gc.get_referrers(sys)) > 9, gc.get_freeze_count() in (0, 375), gc.collect())",
        "finalizers": "import atexit, os, sys\nclass D:\n    def __init__(self, n): self.n = n; self.me = self\n    def __del__(self): print('bye', self.n)\nos.getenv.x = D(1); os.environ.y = D(2); sys.z = D(3); a = D(4); D(5); int.__doc__\nclass M(type(os)): x = D(6)\nos.__class__ = M; sys.modules['q'] = D(7); D.me = D(8); sys.path.append(D(9))",
        "usercustomize": "try:\n    import usercustomize\nexcept ImportError as e: print(repr(e), e.name)\n",
        "child": "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'import sys, os; print(sys.path, os.environ, sorted(sys.modules))'], capture_output=True))",
        "locale": "import locale, sys; print(locale.getpreferredencoding(), locale.setlocale(locale.LC_CTYPE), sys.getfilesystemencoding(), locale.getlocale())",
    }

    def test_every_program(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(IMAGES, "python", "language.json")) as source:
                fields = json.load(source)
            cold = language_file(folder, **{name: value for name, value in fields.items() if name not in ("warm", "warmEnv", "nursery")})
            for name, code in self.PROGRAMS.items():
                with self.subTest(name):
                    options = {"args": ["one", "--two"], "stdin": "a\nb\nc", "env": {"V": "1"}}
                    warm, plain = run(code, **options), run(code, language=cold, **options)
                    for key in ("cause", "exitCode", "signal"):
                        self.assertEqual(warm.frame[key], plain.frame[key])
                    self.assertEqual(self.normal(warm.stdout), self.normal(plain.stdout))
                    self.assertEqual(self.normal(warm.stderr), self.normal(plain.stderr))

    @staticmethod
    def normal(data):
        """Addresses, and what is unavoidable: the command line was set before the arguments were known."""
        import re
        text = re.sub(rb"0x[0-9a-f]{8,}", b"0x", data)
        return re.sub(rb"Thread-\d+|SIGCHLD", b"", text).replace(b"python3\\x00main.py\\x00one\\x00--two\\x00", b"python3\\x00main.py\\x00").replace(b"python3\0main.py\0one\0--two\0", b"python3\0main.py\0")


class Limits(Case):
    def test_wall_time(self):
        answer = self.ended_by("wall_time", run("import time; print(1, flush=True); time.sleep(60)", wallTimeMs=1500))
        self.assertEqual(answer.stdout, b"1\n")
        self.assertAlmostEqual(answer.wallTimeMs, 1500, delta=150)

    def test_wall_time_of_a_compiler(self):
        with tempfile.TemporaryDirectory() as folder:
            answer = self.ended_by("wall_time", run("", language=language_file(folder, compile=["sleep", "60"]), wallTimeMs=300))
            self.assertEqual(answer.phase, "compile")

    def test_cpu_time(self):
        answer = self.ended_by("cpu_time", run("while True: pass", cpuTimeMs=300))
        self.assertAlmostEqual(answer.cpuTimeMs, 300, delta=100)

    def test_cpu_time_of_children_and_of_those_that_are_gone(self):
        for code in ("import os\nos.fork()\nwhile True: pass",
                     "import os\nwhile True:\n    if not os.fork():\n        for i in range(10**6): pass\n        os._exit(0)\n    os.wait()",
                     "import os\nwhile True:\n    if os.fork(): os._exit(0)\n    for i in range(10**5): pass"):
            with self.subTest(code):
                answer = run(code, cpuTimeMs=400)
                if answer.cause != "exited":  # the third program's first process ends at once
                    self.ended_by("cpu_time", answer)
                    self.assertLess(answer.cpuTimeMs, 800)

    def test_cpu_time_of_those_nobody_waits_for(self):
        code = "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n    if not os.fork():\n        while time.process_time() < 0.1: pass\n        os._exit(0)\n    time.sleep(0.12)"
        self.assertLess(self.ended_by("cpu_time", run(code, cpuTimeMs=400, wallTimeMs=8000)).cpuTimeMs, 800)

    def test_memory(self):
        for name, code in {  # the page tables at a pace that looks can follow on a busy machine
            "list": "x = []\nwhile True: x.append(b'x' * 1000000)",
            "one block": "x = bytearray(1 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\nwhile True: pass",
            "shared": "import mmap, time\nm = mmap.mmap(-1, 400 << 20)\nfor i in range(0, len(m), 4096): m[i] = 1\ntime.sleep(60)",
            "children": "import os, time\nfor i in range(8):\n    if not os.fork(): x = b'x' * (32 << 20); time.sleep(60)\ntime.sleep(60)",
            "files": "import time\nx = b'x' * (90 << 20)\nfor i in range(4): open('f%d' % i, 'wb').write(b'x' * (15 << 20))\ntime.sleep(60)",
            "page tables": "import mmap, time\nm = mmap.mmap(-1, 1 << 38, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)\nfor i in range(0, len(m), 1 << 30):\n    for j in range(i, i + (1 << 30), 1 << 21): m[j]\n    time.sleep(0.005)\ntime.sleep(60)",
            "page tables behind a name": "import ctypes, mmap, time\nctypes.CDLL(None).prctl(15, b'VmPTE:\\t0 kB', 0, 0, 0)\nm = mmap.mmap(-1, 1 << 38, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)\nm.madvise(15)\nfor i in range(0, len(m), 1 << 30):\n    for j in range(i, i + (1 << 30), 1 << 21): m[j]\n    time.sleep(0.005)\ntime.sleep(60)",
            "empty files": "import time\nfor i in range(160_000): open('e%d' % i, 'w').close()\ntime.sleep(60)",
            "sockets": "import os, socket, time\nfor i in range(8):\n    if not os.fork():\n        s = [socket.socketpair() for i in range(120)]\n        for p in s:\n            for e in p: e.setblocking(False); e.send(b'x' * 90000)\n        time.sleep(60)\ntime.sleep(60)",
            "hidden": "import ctypes, time\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nx = b'x' * (200 << 20); time.sleep(60)",
        }.items():
            with self.subTest(name):
                answer = self.ended_by("memory", run(code, wallTimeMs=30_000, cpuTimeMs=30_000))  # a busy machine takes its time
                self.assertLess(answer.memoryBytes, 300 * MIB)

    def test_memory_that_processes_share_counts_once(self):
        code = "import os, time\nx = b'x' * (40 << 20)\nfor i in range(10):\n    if not os.fork(): time.sleep(0.3); os._exit(0)\nfor i in range(10): os.wait()\nprint('fine')"
        self.prints(code, "fine\n")

    def test_the_peak_is_reported(self):
        answer = self.exited(run("x = b'x' * (60 << 20)"))
        self.assertAlmostEqual(answer.memoryBytes / MIB, 71, delta=8)

    def test_output(self):
        for code, stream in (("import sys\nwhile True: sys.stdout.write('y' * 1000)", "stdout"), ("import os\nwhile True: os.write(2, b'y' * 77)", "stderr")):
            answer = self.ended_by("output", run(code, outputBytes=10_001))
            self.assertEqual((len(getattr(answer, stream)), answer.truncated), (10_001, True))

    def test_output_of_both_streams_counts_together(self):
        answer = self.ended_by("output", run("import os\nos.write(1, b'a' * 60)\nos.write(2, b'b' * 60)\nwhile True: pass", outputBytes=100))
        self.assertEqual(len(answer.stdout) + len(answer.stderr), 100)

    def test_output_of_exactly_the_limit_is_fine(self):
        answer = self.exited(run("print('x' * 999)", outputBytes=1000))
        self.assertEqual((len(answer.stdout), answer.truncated), (1000, False))

    def test_output_of_one_byte_too_many(self):
        answer = run("print('x' * 1000)", outputBytes=1000)
        self.assertEqual((answer.cause, len(answer.stdout), answer.truncated), ("output", 1000, True))

    @unittest.skipUnless(os.getuid() == 0, "RLIMIT_NPROC needs a uid of its own")
    def test_processes(self):
        self.prints("import os\nn = 0\ntry:\n    while n < 200:\n        if not os.fork(): os.read(0, 1); import time; time.sleep(9)\n        n += 1\nexcept OSError as e: print(n, e.errno)", "9 11\n", processes=10)

    def test_open_files_and_file_size(self):
        self.prints("fs = []\ntry:\n    while True: fs.append(open('/dev/null'))\nexcept OSError as e: print(e.errno, 20 < len(fs) < 32)", "24 True\n", openFiles=32)
        self.prints("try:\n    with open('f', 'wb', 0) as f:\n        while True: f.write(b'x' * 4096)\nexcept OSError as e: print(e.errno)\nimport os; print(os.stat('f').st_size)", "27\n100000\n", fileSizeBytes=100_000)

    def test_no_core_file_and_no_way_up(self):
        self.prints("import resource as r; print(r.getrlimit(r.RLIMIT_CORE))\ntry: r.setrlimit(r.RLIMIT_NOFILE, (999, 999))\nexcept (OSError, ValueError) as e: print('no')", "(0, 0)\nno\n")

    def test_cancel(self):
        with Session() as session:
            session.hello()
            session.execute("print(1, flush=True)\nwhile True: pass")
            session.receive()
            session.send({"type": "cancel", "id": "another"})
            session.send({"type": "cancel", "id": "e1"})
            session.send({"type": "cancel", "id": "e1"})
            self.ended_by("cancelled", session.end())
            session.send({"type": "cancel", "id": "e1"})  # it has ended: ignored
            session.process.stdin.close()
            self.assertEqual(session.exit_code(), 0)

    def test_the_first_cause_stays(self):
        with Session() as session:
            session.hello()
            session.execute("while True: print('x' * 999)", outputBytes=5000, wallTimeMs=60, cpuTimeMs=50)
            session.send({"type": "cancel", "id": "e1"})
            results = [session.end().frame["type"]]
            session.process.stdin.close()
            while (frame := session.receive()) is not None:
                results.append(frame["type"])
            self.assertEqual(results, ["result"])


class HardToKill(Case):
    def quick(self, code, seconds=2.0, **options):
        began = time.monotonic()
        answer = run(code, **options)
        self.assertLess(time.monotonic() - began, seconds)
        return answer

    def test_what_the_first_process_leaves_dies_with_it(self):
        for name, code in {
            "daemon": "import os, time\nprint('main', flush=True)\nif not os.fork():\n    os.setsid()\n    if not os.fork():\n        while True: time.sleep(1)\n    os._exit(0)",
            "writes on": "import os\nprint('main', flush=True)\nif not os.fork():\n    while True: os.write(2, b'.' * 100)",
            "comet": "import os\nprint('main', flush=True)\nif not os.fork():\n    while True:\n        if os.fork(): os._exit(0)",
            "thread": "import os, threading, time\nprint('main', flush=True)\nthreading.Thread(target=time.sleep, args=(60,)).start()\nos._exit(0)",
            "ignores all": "import os, signal, time\nprint('main', flush=True)\nif not os.fork():\n    for s in range(1, 65):\n        try: signal.signal(s, signal.SIG_IGN)\n        except (OSError, ValueError): pass\n    time.sleep(60)",
        }.items():
            with self.subTest(name):
                answer = self.quick(code, outputBytes=10 * MIB)
                self.assertEqual((answer.cause, answer.exitCode, answer.stdout), ("exited", 0, b"main\n"))

    def test_closed_stdio_is_no_end(self):
        answer = self.ended_by("wall_time", run("import os, time\nos.closerange(0, 64)\ntime.sleep(60)", wallTimeMs=300))
        self.assertGreaterEqual(answer.wallTimeMs, 300)

    def test_fork_bombs(self):
        for code in ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", ":(){ :|:& };:\nwait; sleep 60"):
            language = "bash" if code[0] == ":" else "python"
            if os.getuid() == 0:
                self.ended_by("wall_time", self.quick(code, 6.0, language=language, wallTimeMs=500, cpuTimeMs=60_000, memoryBytes=512 * MIB))

    def test_hundreds_of_orphans_are_reaped(self):
        self.prints("import os\nfor i in range(300):\n    if not os.fork():\n        if not os.fork(): os._exit(0)\n        os._exit(0)\n    os.wait()\nprint('done')", "done\n")

    def test_pipe_tricks(self):
        self.prints("import fcntl, os\nfor fd in (0, 1, 2):\n    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)\n    fcntl.fcntl(fd, 1031, 4096)\nprint('x' * 3000)", "x" * 3000 + "\n")


class NoReach(Case):
    """The guest against the agent and the kernel."""

    def test_signals_do_not_reach_the_agent(self):
        self.prints("import os, time\nfor s in range(1, 65):\n    try: os.kill(1, s)\n    except OSError: pass\ntime.sleep(0.2)\nprint(open('/proc/1/stat').read().split()[2] in 'SR')", "True\n")

    def test_the_agent_has_no_handler(self):
        self.prints("print([l.split()[1] for l in open('/proc/1/status') if l.startswith('SigCgt')])", "['%016x']\n" % 0)

    def test_proc_of_the_agent_is_closed(self):
        self.prints("for f in ('mem', 'environ', 'maps', 'fd/0', 'fd/1', 'root', 'cwd', 'oom_score_adj', 'auxv', 'io'):\n    try: print(open('/proc/1/' + f, 'r+b' if f in ('mem', 'oom_score_adj') else 'rb'))\n    except OSError as e: pass", "")

    def test_only_stdio_is_inherited(self):
        self.prints("import os\nfor fd in range(3, 1000):\n    try: print(fd, os.fstat(fd))\n    except OSError: pass", "")
        self.prints('fds=(/proc/$$/fd/*); echo "${fds[@]##*/}"', "0 1 2 255 3\n", language="bash")  # bash's own: 255 its script, 3 the folder it lists

    def test_privileges(self):
        self.prints("s = dict(l.split(':\\t') for l in open('/proc/self/status') if ':\\t' in l)\nprint(s['NoNewPrivs'].strip(), s['Seccomp'].strip(), int(s['CapEff'], 16), int(s['CapPrm'], 16))", "1 2 0 0\n")

    def test_the_filter_refuses(self):
        calls = {
            "socket": "socket.socket()", "netlink": "socket.socket(16, 3)", "prlimit": "resource.prlimit(1, resource.RLIMIT_NOFILE, (9, 9))",
            "affinity": "os.sched_setaffinity(1, [0])", "priority": "os.setpriority(os.PRIO_PROCESS, 1, 9)", "group priority": "os.setpriority(os.PRIO_PGRP, 0, 9)",
            "user priority": "os.setpriority(os.PRIO_USER, 0, 9)", "scheduler": "os.sched_setscheduler(1, 3, os.sched_param(0))",
            "chroot": "os.chroot('/tmp')", "memfd": "os.memfd_create('x')", "tiocsti": "fcntl.ioctl(0, 0x5412, b'x')", "tioclinux": "fcntl.ioctl(0, 0x541C, b'x')",
            "owner of signals": "fcntl.fcntl(0, fcntl.F_SETOWN, 1)", "kind of signals": "fcntl.fcntl(0, 10, 9)", "dnotify": "fcntl.fcntl(os.open('/usr/bin', 0), 1026, 63)",
            "inotify": "call(294, 0)" if os.uname().machine == "x86_64" else "call(26, 0)",
            "unshare": "call(272, 0x10000000)", "newuser": "call(56, 0x10000011, 0, 0, 0, 0)", "clone3": "call(435, 0, 0)", "ptrace": "call(101, 16, 1, 0, 0)",
            "vm read": "call(310, 1, 0, 0, 0, 0, 0)", "bpf": "call(321, 0, 0, 0)", "perf": "call(298, 0, 0, 0, 0, 0)", "keyctl": "call(250, 0, 0)", "io_uring": "call(425, 1, 0)",
            "userfaultfd": "call(323, 0)", "personality": "call(135, 0x40000)", "pidfd_getfd": "call(438, 3, 0, 0)", "mount": "call(165, 0, 0, 0, 0, 0)", "setns": "call(308, 3, 0)",
            "handle": "call(304, -100, 0, 0)", "prlimit in disguise": "call(302, 0x100000001, 7, 0, 0)", "socket in disguise": "call(41, 0x100000002, 1, 0)",
        } if os.uname().machine == "x86_64" else {"socket": "socket.socket()", "prlimit": "resource.prlimit(1, resource.RLIMIT_NOFILE, (9, 9))"}
        code = "import ctypes, errno, fcntl, os, resource, socket\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.syscall.restype = ctypes.c_long\ndef call(*a):\n    if libc.syscall(*map(ctypes.c_long, a)) < 0: raise OSError(ctypes.get_errno(), '')\n"
        for name, expression in calls.items():
            code += "try:\n    %s\n    print(%r)\nexcept OSError as e:\n    if e.errno not in (errno.EPERM, errno.ENOSYS): print(%r, e)\n" % (expression, name, name)
        self.prints(code, "")

    @unittest.skipUnless(os.uname().machine == "x86_64", "x32 is x86")
    def test_another_abi_kills(self):
        answer = run("import ctypes; ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))")
        self.assertEqual((answer.cause, answer.signal), ("exited", "SIGSYS"))

    def test_nothing_of_the_agent_is_in_the_environment(self):
        self.prints("import os; print('SECRET' in os.environ, b'SECRET' in open('/proc/self/environ', 'rb').read())", "False False\n")


class WithoutPid1(Case):
    """As a subreaper among other processes, without a sandbox around it."""

    def run_plain(self, code):
        folder = tempfile.mkdtemp()
        os.chmod(folder, 0o777)
        try:
            command = [*as_nobody(), PYTHON, "-I", "-S", "-E", os.path.join(HERE, "agent.py"), os.path.join(IMAGES, "python", "language.json"), os.path.join(folder, "work")]
            return run(code, command=command)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def test_runs_and_kills_what_is_left(self):
        answer = self.exited(self.run_plain("import os, time\nif not os.fork():\n    os.setsid()\n    if not os.fork(): print(os.getpid(), flush=True); time.sleep(60)\n    os._exit(0)\nos.wait()\ntime.sleep(0.2)"))
        self.assertFalse(os.path.exists("/proc/%d" % int(answer.stdout)))

    @unittest.skipUnless(agent.LANDLOCK_ABI >= 6, "this kernel has no Landlock with scopes")
    def test_landlock_alone_keeps_a_guest_in_its_places(self):
        answer = self.exited(self.run_plain(
            "import os, signal\n"
            "def attempt(do):\n"
            "    try: do(); return 'done'\n"
            "    except OSError as e: return type(e).__name__\n"
            "read = lambda path: lambda: open(path, 'rb').read(1)\n"
            "write = lambda path: lambda: open(path, 'w').close()\n"
            "for do in (read('/sys/kernel/uevent_seqnum'), read('/sys/block'), read('/sys/devices/system/cpu/online'), write('/var/tmp/runlet-x'), write('/run/lock/runlet-x'),\n"
            "           write('x'), write('/dev/null'), lambda: os.mkdir('/var/tmp/runlet-y'), lambda: (os.mkdir('a'), os.mkdir('b'), open('a/c', 'w'), os.rename('a/c', 'b/c')),\n"
            "           lambda: os.kill(os.getppid(), signal.SIGKILL), lambda: os.kill(os.getpid(), 0), lambda: os.listdir('/sys')): print(attempt(do))"))
        self.assertEqual(answer.stdout.decode().split(), [
            "PermissionError", "IsADirectoryError", "done", "PermissionError", "PermissionError",
            "done", "done", "PermissionError", "done",
            "PermissionError", "done", "done"])


class Bpf:
    """Runs a compiled filter as the kernel would."""

    def __init__(self, code):
        self.steps = list(struct.iter_unpack("HBBI", code))

    def __call__(self, number, arguments=(), arch=0xC000003E):
        data = struct.pack("<IIQ6Q", number, arch, 0, *(list(arguments) + [0] * 6)[:6])
        at = value = 0
        while True:
            op, jt, jf, k = self.steps[at]
            at += 1
            if op == agent.BPF_LOAD:
                value = struct.unpack_from("<I", data, k)[0]
            elif op == agent.BPF_AND:
                value &= k
            elif op == agent.BPF_RETURN:
                return k
            elif op == agent.BPF_JUMP:
                at += k
            else:
                at += jt if (value == k if op == agent.BPF_JEQ else value >= k) else jf


class Filter(Case):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(IMAGES, "seccomp", "profile.json")) as profile, open(os.path.join(IMAGES, "seccomp", "syscalls.json")) as numbers:
            cls.profile, cls.numbers = json.load(profile), json.load(numbers)

    def reference(self, name, arguments):
        """The profile, read rule by rule."""
        operators = {"SCMP_CMP_EQ": lambda a, c: a == c["value"], "SCMP_CMP_NE": lambda a, c: a != c["value"], "SCMP_CMP_MASKED_EQ": lambda a, c: a & c["value"] == c["valueTwo"]}
        for rule in self.profile["syscalls"]:
            if name in rule["names"] and all(operators[c["op"]](arguments[c["index"]], c) for c in rule.get("args", ())):
                return agent.RET_ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else agent.RET_ERRNO | rule["errnoRet"]
        return agent.RET_ERRNO | self.profile["defaultErrnoRet"]

    def test_the_compiled_filter_says_what_the_profile_says(self):
        chance = random.Random(7)
        interesting = [0, 1, 2, 3, 0x5401, 0x5412, 0x541C, 0x11, 0x10000011, 0xFFFFFFFF, 0x100000000, 0x100000001, 0xFFFFFFFFFFFFFFFF, 1 << 21, 1 << 31]
        for machine, arch in agent.AUDIT_ARCH.items():
            bpf = Bpf(agent.SeccompFilter(self.profile, self.numbers[machine], machine).code)
            names = {number: name for name, number in self.numbers[machine].items()}
            for number in range(max(names) + 20):
                for _ in range(40):
                    arguments = [chance.choice(interesting) for _ in range(6)]
                    self.assertEqual(bpf(number, arguments, arch), self.reference(names.get(number), arguments), (machine, number, names.get(number), arguments))

    def test_other_architectures_are_killed(self):
        bpf = Bpf(agent.SeccompFilter(self.profile, self.numbers["x86_64"], "x86_64").code)
        self.assertEqual(bpf(39), agent.RET_ALLOW)
        self.assertEqual(bpf(39, arch=0x40000003), agent.RET_KILL_PROCESS)  # 32-bit
        self.assertEqual(bpf(39 | agent.X32_BIT), agent.RET_KILL_PROCESS)

    def test_it_is_short_enough_to_be_fast(self):
        for machine in agent.AUDIT_ARCH:
            self.assertLess(len(agent.SeccompFilter(self.profile, self.numbers[machine], machine).code) // 8, 2000)

    def test_every_name_is_known_and_in_one_kind_of_rule(self):
        unconditional = set()
        for rule in self.profile["syscalls"]:
            for name in rule["names"]:
                self.assertTrue(name in self.numbers["x86_64"] or name in self.numbers["aarch64"], name)
                if not rule.get("args"):
                    self.assertNotIn(name, unconditional)
                    unconditional.add(name)
        conditional = {name for rule in self.profile["syscalls"] if rule.get("args") for name in rule["names"]}
        self.assertEqual(conditional & unconditional, set())  # libseccomp would let the unconditional rule win

    def test_the_numbers_are_those_of_this_machine(self):
        libc = ctypes.CDLL(None)
        self.assertEqual(libc.syscall(self.numbers[os.uname().machine]["getpid"]), os.getpid())


if __name__ == "__main__":
    unittest.main()
