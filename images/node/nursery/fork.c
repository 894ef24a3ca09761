/*
 * What makes a fork of a Node that has started a Node of its own. Node has no fork, and is not made for it: it has threads, which a fork does not copy, and
 * descriptors that a fork shares. This library is preloaded (LD_PRELOAD), so that it knows of those threads.
 *
 * Node must be started with --single-threaded, so that V8 wants none of the threads that a fork does not have, and with --no-maglev: with that compiler, and no
 * thread to do it on, V8 does not replace a loop that is running by its optimized code, which makes computing up to three times slower.
 */
#include "nursery.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INTERPOSED __attribute__((visibility("default")))

/* ---------------------------------------------------------------- threads that a guest does not have */

static int in_guest;
static pthread_t threads[64]; /* of the nursery */
static int thread_count;
static struct { pthread_cond_t *condition; pthread_mutex_t *mutex; } waits[64]; /* what they wait for at the moment */

/* On stacks of their own: the others are used again in a guest, whose threads would have the ids of those that are gone. */
INTERPOSED int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
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
INTERPOSED int pthread_join(pthread_t thread, void **result)
{
	static __typeof__(&pthread_join) next;
	if (!next) next = dlsym(RTLD_NEXT, "pthread_join");
	for (int at = 0; in_guest && at < thread_count; at++)
		if (pthread_equal(threads[at], thread)) return 0;
	return next(thread, result);
}

/* The place in `waits` that a thread of the nursery has taken. */
static int note_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	for (int at = 0; at < COUNT(waits); at++) {
		pthread_cond_t *none = NULL;
		if (!__atomic_compare_exchange_n(&waits[at].condition, &none, condition, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
		waits[at].mutex = mutex;
		return at;
	}
	return -1;
}

INTERPOSED int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	static __typeof__(&pthread_cond_wait) next;
	if (!next && !(next = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2"))) /* x86-64 has an older one of the same name */
		next = dlsym(RTLD_NEXT, "pthread_cond_wait");
	if (in_guest) return next(condition, mutex);
	int at = note_wait(condition, mutex), error = next(condition, mutex);
	if (at >= 0) __atomic_store_n(&waits[at].condition, NULL, __ATOMIC_SEQ_CST);
	return error;
}

/* V8 excludes its heap from forks, to make those of child_process cheap. */
INTERPOSED int madvise(void *start, size_t size, int advice)
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

/* ---------------------------------------------------------------- descriptors and memory */

static struct { int fd, kind; ino_t inode; } shared[64]; /* descriptors of Node itself, which a fork shares */
enum { PIPE, EVENT, POLL };
static int shared_count;

/* Notes what a guest must replace. Anything that it could not makes no nursery. */
static void note_descriptors(const int *mine, int count)
{
	DIR *folder = opendir("/proc/self/fd");
	if (!folder) fail("/proc/self/fd");
	for (struct dirent *entry; (entry = readdir(folder));) {
		char target[64] = "";
		int fd = atoi(entry->d_name);
		struct stat facts;
		if (entry->d_name[0] == '.' || fd <= CONTROL_FD || fd == dirfd(folder)) continue;
		int known = 0;
		for (int at = 0; at < count; at++) known |= mine[at] == fd;
		if (known) continue;
		if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) < 0 || fstat(fd, &facts) < 0) fail("descriptor %d", fd);
		if (!strcmp(target, "/dev/null")) continue;
		int kind = S_ISFIFO(facts.st_mode) ? PIPE : !strcmp(target, "anon_inode:[eventfd]") ? EVENT : !strcmp(target, "anon_inode:[eventpoll]") ? POLL : -1;
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

void prepare_forks(const int *mine, int count)
{
	note_descriptors(mine, count);
	refuse_shared_memory();
}

void become_own_process(void)
{
	in_guest = 1;
	forget_threads();
	replace_descriptors();
	if (RAND_poll() != 1) fail("RAND_poll"); /* OpenSSL tells a fork by its pid, and all guests have the same */
}
