/*
 * The nursery of the nested tier as an addon of Node: its guests are forks of a Node that has started (fork.c), for a fifth of the CPU of a start.
 * What a nursery does, and why: ../../agent/nursery.py, whose twin this is. The messages: PROTOCOL.md, "The nursery". What warm.cjs calls:
 *   serve()                    makes sandboxes until the agent is gone; returns in each guest, with a seed for Math.random
 *   become(path, command, env) the guest becomes another program
 *   settle()                   the guest stays what it is
 *   leave()                    ends it with exit code 0, at once, unless something is still under way
 */
#include "nursery.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORK "/tmp/work"

/* ---------------------------------------------------------------- words to the agent */

static int births = -1, deaths = -1;

void fail(const char *format, ...)
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
	MUST(setsid());
	for (int target = STDIN; target <= WORDS; target++) MUST(dup2(order.fds[target], target));
	for (int at = 0; at < order.fd_count; at++) close(order.fds[at]);
	close(deaths);
	become_own_process();
	MUST(chdir(WORK));
	MUST(setgroups(0, NULL)); /* the agent has root's group */
	MUST(setresgid(uid, uid, uid));
	MUST(setresuid(uid, uid, uid));                /* takes every capability away */
	MUST(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));      /* as any program is: its own /proc/self belongs to it */
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	restrict_files();
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
	MUST(dprintf(deaths, "%.*s %d", (int)order.fields[SERIAL].size, order.fields[SERIAL].data, status));
	_exit(0);
}

static napi_value serve(napi_env env, napi_callback_info info)
{
	(void)info;
	receive(&settings);
	births = settings.fds[0], deaths = settings.fds[1];
	prepare_forks(settings.fds, settings.fd_count);
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

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	static const struct { const char *name; napi_callback call; } functions[] = {{"serve", serve}, {"settle", settle}, {"become", become}, {"leave", leave}};
	for (int at = 0; at < COUNT(functions); at++) {
		napi_value function = NULL;
		napi_create_function(env, functions[at].name, (size_t)-1, functions[at].call, NULL, &function);
		napi_set_named_property(env, exports, functions[at].name, function);
	}
	return exports;
}
