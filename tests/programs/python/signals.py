import os, signal, time
def handler(number, frame):
    print("signal", signal.Signals(number).name, frame.f_code.co_name)
signal.signal(signal.SIGUSR1, handler)
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
print([s.name for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])])
print([s.name for s in signal.valid_signals() if signal.getsignal(s) not in (signal.SIG_DFL, None) and s < 32])
os.kill(os.getpid(), signal.SIGTERM)
