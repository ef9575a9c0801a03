// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// work OP COUNT [WRITERS [DIR]] - does OP as fast as it can, and prints the ns that one took.
//
// OP: open (and close) of DIR/some/dir/file.txt, open-fail, exec (and wait), connect (TCP, loopback), chmod, getppid.
// "lone" opens DIR/lone.txt once and prints when, in ns of CLOCK_REALTIME; "threads" makes COUNT threads that
// sleep, prints its process id, and waits for a signal.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char file[4096], missing[4096];
static struct sockaddr_in server = {.sin_family = AF_INET};
static int listener;

static long long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void do_open(void)
{
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		err(1, "%s", file);
	close(fd);
}

static void do_open_fail(void)
{
	if (open(missing, O_RDONLY) >= 0)
		errx(1, "%s exists", missing);
}

static void do_exec(void)
{
	char *argv[] = {"/proc/self/exe", "nothing", "1", NULL}, *env[] = {NULL};
	pid_t pid;
	int status;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, env) || waitpid(pid, &status, 0) != pid || status)
		errx(1, "cannot run myself");
}

static void do_connect(void)
{
	struct linger reset = {.l_onoff = 1}; /* leaves no port in TIME_WAIT */
	int fd = socket(AF_INET, SOCK_STREAM, 0), peer;

	if (connect(fd, (void *)&server, sizeof(server)))
		err(1, "connect");
	peer = accept(listener, NULL, NULL);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	close(peer);
}

static void do_chmod(void)
{
	static int turn;

	if (chmod(file, ++turn & 1 ? 0600 : 0640))
		err(1, "%s", file);
}

static void do_getppid(void)
{
	syscall(SYS_getppid);
}

static void do_nothing(void) {}

static void *sleeper(void *unused)
{
	pause();
	return unused;
}

static int threads(long count)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	for (long i = 1; i < count; i++)
		if (pthread_create(&thread, &attr, sleeper, NULL))
			errx(1, "cannot make %ld threads", count);
	printf("%d\n", getpid());
	fflush(stdout);
	pause();
	return 0;
}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {{"open", do_open}, {"open-fail", do_open_fail}, {"exec", do_exec}, {"connect", do_connect},
	   {"chmod", do_chmod}, {"getppid", do_getppid}, {"nothing", do_nothing}};

static void prepare(const char *dir, int writer)
{
	socklen_t len = sizeof(server);
	char sub[4096];

	snprintf(sub, sizeof(sub), "%s/some", dir);
	mkdir(sub, 0755);
	snprintf(sub, sizeof(sub), "%s/some/dir", dir);
	mkdir(sub, 0755);
	snprintf(file, sizeof(file), "%s/some/dir/file%d.txt", dir, writer);
	snprintf(missing, sizeof(missing), "%s/some/dir/none%d.txt", dir, writer);
	close(open(file, O_CREAT | O_WRONLY, 0640));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&server, len) || listen(listener, 16) || getsockname(listener, (void *)&server, &len))
		err(1, "listen");
}

int main(int argc, char **argv)
{
	int writers = argc > 3 ? atoi(argv[3]) : 1;
	const char *dir = argc > 4 ? argv[4] : "/tmp";
	long count = argc > 2 ? atol(argv[2]) : 0;
	void (*run)(void) = NULL;
	int status, failed = 0;

	for (size_t i = 0; argc > 2 && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(argv[1], ops[i].name))
			run = ops[i].run;
	if (run == do_nothing) /* what exec runs */
		return 0;
	if (argc > 2 && !strcmp(argv[1], "lone")) {
		snprintf(file, sizeof(file), "%s/lone.txt", dir);
		printf("%lld\n", now(CLOCK_REALTIME));
		close(open(file, O_CREAT | O_RDONLY, 0600));
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "threads"))
		return threads(count);
	if (!run || count < 1)
		errx(2, "usage: work open|open-fail|exec|connect|chmod|getppid|lone|threads COUNT [WRITERS [DIR]]");
	for (int w = 0; w < writers; w++) {
		long long start;

		if (w < writers - 1 && fork())
			continue;
		prepare(dir, w);
		start = now(CLOCK_MONOTONIC);
		for (long i = 0; i < count; i++)
			run();
		printf("%.1f\n", (double)(now(CLOCK_MONOTONIC) - start) / count);
		fflush(stdout);
		if (w < writers - 1)
			_exit(0);
		break;
	}
	while (wait(&status) > 0)
		failed |= status;
	return !!failed;
}
