/*
 * Makes a Node that has started the nursery of the nested tier: its guests are forks of it, for a fifth of the CPU of a start.
 * What a nursery does, and why: ../agent/nursery.py, whose twin this is. The messages: PROTOCOL.md, "The nursery".
 *
 * Node has no fork, and is not made for it: it has threads, which a fork does not copy, and descriptors that a fork shares. So
 * this library is both preloaded (LD_PRELOAD), to know of those threads, and an addon (Node-API), to be called by warm.cjs:
 *   serve()                    makes sandboxes until the agent is gone; returns in each guest, with a seed for Math.random
 *   become(path, command, env) the guest becomes another program
 *   settle()                   the guest stays what it is
 *   leave()                    ends it with exit code 0, at once, unless something is still under way
 * Node must be started with --single-threaded, so that V8 wants none of the threads that its guests do not have, and with --no-maglev: with that compiler,
 * and no thread to do it on, V8 does not replace a loop that is running by its optimized code, which makes computing up to three times slower.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_FD 3
#define WORK "/tmp/work"
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---------------------------------------------------------------- what Node brings (node_api.h, uv.h, openssl/rand.h) */

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef struct uv_loop_s uv_loop_t;
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_create_int32(napi_env, int32_t, napi_value *);
int napi_get_array_length(napi_env, napi_value, uint32_t *);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_element(napi_env, napi_value, uint32_t, napi_value *);
int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
uv_loop_t *uv_default_loop(void);
int uv_loop_alive(const uv_loop_t *);
int uv_loop_fork(uv_loop_t *);
int RAND_poll(void);

/* ---------------------------------------------------------------- threads that a guest does not have */

static int in_guest;
static pthread_t threads[64]; /* of the nursery */
static int thread_count;
static struct { pthread_cond_t *condition; pthread_mutex_t *mutex; } waits[64]; /* what they wait for at the moment */

/* On stacks of their own: the others are used again in a guest, whose threads would have the ids of those that are gone. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	static __typeof__(&pthread_create) next;
	pthread_attr_t own;
	size_t size = 8 << 20;
	if (!next) next = dlsym(RTLD_NEXT, "pthread_create");
	if (in_guest) return next(thread, attributes, start, argument);
	if (attributes) pthread_attr_getstacksize(attributes, &size);
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED || thread_count == COUNT(threads)) return EAGAIN;
	pthread_attr_init(&own);
	pthread_attr_setstack(&own, stack, size);
	int error = next(thread, &own, start, argument);
	pthread_attr_destroy(&own);
	if (!error) threads[thread_count++] = *thread;
	return error;
}

/* Node joins its threads when it exits. One that is not there has ended as far as a guest can tell; waiting for it would be for ever. */
int pthread_join(pthread_t thread, void **result)
{
	static __typeof__(&pthread_join) next;
	if (!next) next = dlsym(RTLD_NEXT, "pthread_join");
	for (int at = 0; in_guest && at < thread_count; at++)
		if (pthread_equal(threads[at], thread)) return 0;
	return next(thread, result);
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	static __typeof__(&pthread_cond_wait) next;
	int at = COUNT(waits);
	if (!next && !(next = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2"))) /* x86-64 has an older one of the same name */
		next = dlsym(RTLD_NEXT, "pthread_cond_wait");
	if (!in_guest) {
		pthread_cond_t *none = NULL;
		for (at = 0; at < COUNT(waits) && !__atomic_compare_exchange_n(&waits[at].condition, &none, condition, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); at++) none = NULL;
		if (at < COUNT(waits)) waits[at].mutex = mutex;
	}
	int error = next(condition, mutex);
	if (at < COUNT(waits)) __atomic_store_n(&waits[at].condition, NULL, __ATOMIC_SEQ_CST);
	return error;
}

/* V8 excludes its heap from forks, to make those of child_process cheap. */
int madvise(void *start, size_t size, int advice)
{
	if (advice == MADV_DONTFORK && !in_guest) return 0;
	return (int)syscall(SYS_madvise, start, size, advice);
}

/* Nobody waits any more: a condition that counts waiters could not be destroyed at the exit, nor its mutex. */
static void forget_threads(void)
{
	for (int at = 0; at < COUNT(waits); at++) {
		if (!waits[at].condition) continue;
		*waits[at].condition = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
		*waits[at].mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	}
}

/* Before Node starts: what it starts is not to be preloaded, and it is to do without io_uring, whose rings a fork shares. (Most pods have none anyway.) */
__attribute__((constructor)) static void prepare_process(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* the number */), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {COUNT(code), code};
	unsetenv("LD_PRELOAD");
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0); /* note_descriptors sees it when that was refused */
}

/* ---------------------------------------------------------------- words to the agent */

static int births = -1, deaths = -1;

/* Ends an init or a guest that could not be set up, or the nursery, with a word to the agent. */
__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	char text[1000] = "! ";
	int error = errno;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text + 2, 800, format, arguments);
	va_end(arguments);
	snprintf(text + strlen(text), sizeof text - strlen(text), ": %s", strerror(error));
	if (births < 0 || write(births, text, strlen(text)) < 0) dprintf(2, "%s\n", text + 2);
	_exit(127);
}

#define MUST(call) ({ __typeof__(call) must = (call); if (must == (__typeof__(must))-1) fail("%s", #call); must; })

static void write_word(int fd, const char *format, ...)
{
	char text[64];
	va_list arguments;
	va_start(arguments, format);
	MUST(write(fd, text, vsnprintf(text, sizeof text, format, arguments)));
	va_end(arguments);
}

/* ---------------------------------------------------------------- messages */

struct field { char *data; uint32_t size; };
struct message { char data[1 << 17]; struct field fields[8]; int fds[8], field_count, fd_count; };

/* Ends with the agent. */
static void receive(struct message *message)
{
	char ancillary[CMSG_SPACE(sizeof message->fds)];
	struct iovec part = {message->data, sizeof message->data};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary, .msg_controllen = sizeof ancillary};
	ssize_t size;
	do size = recvmsg(CONTROL_FD, &header, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size <= 0) _exit(0);
	message->field_count = message->fd_count = 0;
	for (char *at = message->data; at < message->data + size && message->field_count < COUNT(message->fields); message->field_count++) {
		struct field *field = &message->fields[message->field_count];
		memcpy(&field->size, at, 4);
		field->data = at + 4;
		at += 4 + field->size;
	}
	for (struct cmsghdr *block = CMSG_FIRSTHDR(&header); block; block = CMSG_NXTHDR(&header, block)) {
		message->fd_count = (int)((block->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(message->fds, CMSG_DATA(block), message->fd_count * sizeof(int));
	}
}

/* The next of the strings in a field, each of which ends with a zero; NULL after the last. */
static char *next_string(const struct field *field, char *string)
{
	char *next = string ? string + strlen(string) + 1 : field->data;
	return next < field->data + field->size ? next : NULL;
}

/* ---------------------------------------------------------------- a guest: nothing of it is the nursery's */

static struct message settings, order; /* static: a guest's stack need not hold them */
enum { FILTER, HIDDEN, LANDLOCK, LANDLOCK_PATHS, LANDLOCK_RIGHTS };
enum { SERIAL, UID };
enum { STDIN, STDOUT, STDERR, WORDS, TMPFS, NETWORK };

static struct { int fd, kind; ino_t inode; } shared[64]; /* descriptors of Node itself, which a fork shares */
enum { PIPE, EVENT, POLL };
static int shared_count;

/* Notes what a guest must replace. Anything that it could not makes no nursery. */
static void note_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	if (!folder) fail("/proc/self/fd");
	for (struct dirent *entry; (entry = readdir(folder));) {
		char target[64] = "";
		int fd = atoi(entry->d_name);
		struct stat facts;
		if (entry->d_name[0] == '.' || fd <= CONTROL_FD || fd == births || fd == deaths || fd == dirfd(folder)) continue;
		if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) < 0 || fstat(fd, &facts) < 0) fail("descriptor %d", fd);
		int kind = S_ISFIFO(facts.st_mode) ? PIPE : !strcmp(target, "anon_inode:[eventfd]") ? EVENT : !strcmp(target, "anon_inode:[eventpoll]") ? POLL : -1;
		if (!strcmp(target, "/dev/null")) continue;
		errno = 0;
		if (kind < 0 || shared_count == COUNT(shared)) fail("a guest would share descriptor %d, %s", fd, target);
		shared[shared_count].fd = fd, shared[shared_count].kind = kind, shared[shared_count++].inode = facts.st_ino;
	}
	closedir(folder);
}

/* Memory that stays shared after a fork would be a way from guest to guest. */
static void refuse_shared_memory(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	if (!maps) fail("/proc/self/maps");
	errno = 0;
	while (fgets(line, sizeof line, maps)) {
		const char *rights = strchr(line, ' ');
		if (rights && rights[2] == 'w' && rights[4] == 's') fail("a guest would share memory, %s", line);
	}
	fclose(maps);
}

static void replace(int fd, int with)
{
	MUST(dup3(MUST(with), fd, O_CLOEXEC));
	close(with);
}

/* Own descriptors in place of those that it has in common with the nursery and with all other guests. */
static void replace_descriptors(void)
{
	for (int at = 0; at < shared_count; at++) {
		if (shared[at].kind == EVENT) replace(shared[at].fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		if (shared[at].kind == POLL) replace(shared[at].fd, epoll_create1(EPOLL_CLOEXEC));
	}
	errno = 0;
	if (uv_loop_fork(uv_default_loop()) != 0) fail("uv_loop_fork");
	for (int at = 0; at < shared_count; at++) { /* those of loops whose threads are gone: they need only be something that can be polled */
		struct stat facts;
		if (shared[at].kind == PIPE && fstat(shared[at].fd, &facts) == 0 && facts.st_ino == shared[at].inode) replace(shared[at].fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	}
}

static void restrict_files(void)
{
	const struct field *attributes = &settings.fields[LANDLOCK], *rights = &settings.fields[LANDLOCK_RIGHTS];
	if (!attributes->size) return;
	int ruleset = (int)MUST(syscall(SYS_landlock_create_ruleset, attributes->data, (size_t)attributes->size, 0));
	int at = 0;
	for (char *path = NULL; (path = next_string(&settings.fields[LANDLOCK_PATHS], path)); at++) {
		struct { uint64_t rights; int32_t fd; } __attribute__((packed)) rule;
		struct stat facts;
		rule.fd = open(path, O_PATH | O_CLOEXEC);
		if (rule.fd < 0) continue; /* a link that leads nowhere, a place that this kernel or image does not have */
		memcpy(&rule.rights, rights->data + 8 * at, 8);
		if (fstat(rule.fd, &facts) == 0 && S_ISDIR(facts.st_mode)) MUST(syscall(SYS_landlock_add_rule, ruleset, 1 /* PATH_BENEATH */, &rule, 0));
		close(rule.fd);
	}
	MUST(syscall(SYS_landlock_restrict_self, ruleset, 0));
	close(ruleset);
}

static void become_guest(void)
{
	uid_t uid = 0;
	for (uint32_t at = 0; at < order.fields[UID].size; at++) uid = 10 * uid + (uid_t)(order.fields[UID].data[at] - '0');
	struct sock_fprog program = {.len = (unsigned short)(settings.fields[FILTER].size / sizeof(struct sock_filter)), .filter = (struct sock_filter *)settings.fields[FILTER].data};
	in_guest = 1;
	forget_threads();
	MUST(setsid());
	for (int target = STDIN; target <= WORDS; target++) MUST(dup2(order.fds[target], target));
	for (int at = 0; at < order.fd_count; at++) close(order.fds[at]);
	close(deaths);
	replace_descriptors();
	MUST(chdir(WORK));
	MUST(setgroups(0, NULL)); /* the agent has root's group */
	MUST(setresgid(uid, uid, uid));
	MUST(setresuid(uid, uid, uid));                /* takes every capability away */
	MUST(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));      /* as any program is: its own /proc/self belongs to it */
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	restrict_files();
	if (RAND_poll() != 1) fail("RAND_poll"); /* OpenSSL tells a fork by its pid, and all guests have the same */
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	MUST(write(births, order.fields[SERIAL].data, order.fields[SERIAL].size)); /* the kernel adds the pid */
}

/* ---------------------------------------------------------------- init and nursery */

/* PID 1 of a sandbox. Returns in its guest only. */
static void run_init(void)
{
	int status;
	MUST(setns(order.fds[NETWORK], CLONE_NEWNET));
	/* One tmpfs with one size for both folders. Its root is covered by the last of these. */
	MUST(syscall(SYS_move_mount, order.fds[TMPFS], "", AT_FDCWD, "/dev/shm", 4 /* MOVE_MOUNT_F_EMPTY_PATH */));
	MUST(mount("/dev/shm/tmp", "/tmp", NULL, MS_BIND, NULL));
	MUST(mount("/dev/shm/shm", "/dev/shm", NULL, MS_BIND, NULL));
	MUST(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	for (char *path = NULL; (path = next_string(&settings.fields[HIDDEN], path));) {
		struct stat facts;
		MUST(stat(path, &facts));
		MUST(S_ISDIR(facts.st_mode) ? mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=4k,mode=555") : mount("/dev/null", path, NULL, MS_BIND, NULL));
	}
	MUST(mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,max=64"));
	pid_t guest = MUST(fork()); /* the fork of libc: Node and OpenSSL have handlers on it */
	if (guest == 0) return become_guest();
	for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL); /* PID 1 is then immune to every signal from inside */
	for (int at = 0; at < order.fd_count; at++) close(order.fds[at]);
	for (pid_t pid = 0; pid != guest;) pid = MUST(waitpid(-1, &status, 0));
	while (kill(-1, SIGKILL) == 0 && waitpid(-1, NULL, 0) > 0) {} /* the kernel would do it as well, but what they used would not be counted */
	write_word(deaths, "%.*s %d", (int)order.fields[SERIAL].size, order.fields[SERIAL].data, status);
	_exit(0);
}

static napi_value serve(napi_env env, napi_callback_info info)
{
	(void)info;
	receive(&settings);
	births = settings.fds[0], deaths = settings.fds[1];
	note_descriptors();
	refuse_shared_memory();
	MUST(chdir("/"));
	MUST(umount2("/tmp", MNT_DETACH));
	for (;;) {
		receive(&order);
		/* Not fork: that has no flags. CLONE_PARENT: init is a child of the agent. */
		if (MUST(syscall(SYS_clone, CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | SIGCHLD, 0, 0, 0, 0)) == 0) break;
		for (int at = 0; at < order.fd_count; at++) close(order.fds[at]);
	}
	run_init();
	int32_t seed = 0;
	napi_value result = NULL;
	MUST(getrandom(&seed, sizeof seed, 0));
	napi_create_int32(env, seed, &result);
	return result;
}

/* ---------------------------------------------------------------- what warm.cjs calls in a guest */

static napi_value settle(napi_env env, napi_callback_info info)
{
	(void)env, (void)info;
	close(births);
	return NULL;
}

static char *copy_string(napi_env env, napi_value value)
{
	size_t size = 0;
	napi_get_value_string_utf8(env, value, NULL, 0, &size);
	char *copy = calloc(1, size + 1);
	if (!copy || napi_get_value_string_utf8(env, value, copy, size + 1, &size) != 0) fail("a word of the command");
	return copy;
}

static char **copy_strings(napi_env env, napi_value array)
{
	uint32_t count = 0;
	napi_get_array_length(env, array, &count);
	char **copies = calloc(count + 1, sizeof *copies);
	for (uint32_t at = 0; copies && at < count; at++) {
		napi_value value = NULL;
		napi_get_element(env, array, at, &value);
		copies[at] = copy_string(env, value);
	}
	return copies;
}

/* A third of a short guest's CPU is what Node dismantles when it exits. But process.exit() still waits for what the thread pool has begun. */
static napi_value leave(napi_env env, napi_callback_info info)
{
	(void)env, (void)info;
	if (!uv_loop_alive(uv_default_loop())) _exit(0);
	return NULL;
}

/* exec, with signals as a shell would leave them. Whatever goes wrong is told to the agent. */
static napi_value become(napi_env env, napi_callback_info info)
{
	napi_value arguments[3];
	size_t count = COUNT(arguments);
	sigset_t none;
	napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
	for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	char *path = copy_string(env, arguments[0]);
	execve(path, copy_strings(env, arguments[1]), copy_strings(env, arguments[2]));
	fail("%s", path);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	static const struct { const char *name; napi_callback call; } functions[] = {{"serve", serve}, {"settle", settle}, {"become", become}, {"leave", leave}};
	for (int at = 0; at < COUNT(functions); at++) {
		napi_value function = NULL;
		napi_create_function(env, functions[at].name, (size_t)-1, functions[at].call, NULL, &function);
		napi_set_named_property(env, exports, functions[at].name, function);
	}
	return exports;
}
