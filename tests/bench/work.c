// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// work OP COUNT [WRITERS [DIR [SPIN]]] - does OP as fast as it can, and prints the ns that one took, and of how many pieces of
// the work that is the median.
//
// A virtual CPU, or one with a busy hyper-thread at its side, is slower for some milliseconds every now and then. So the work is
// done in pieces of a tenth of a millisecond, with a loop of additions in between that the caches and the kernel have no part in.
// Only pieces count at whose beginning and end that took no longer than SPIN ns; without SPIN, all do. "spin MS" prints how long it
// takes at its best in so many ms.
//
// OP: open (and close) of DIR/some/dir/file.txt, open-fail, exec (and wait), connect (TCP, loopback), chmod, kill (ignored),
// cred (the effective user, from 0 to 1 and back), fork (and wait), getppid.
// "lone" opens DIR/lone.txt once and prints when, in ns of CLOCK_REALTIME; "threads" makes COUNT threads that
// sleep, prints its process id, and waits for a signal.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
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

static void do_kill(void)
{
	if (kill(getpid(), SIGURG)) /* which it ignores */
		err(1, "kill");
}

static void do_cred(void)
{
	static int turn;

	if (syscall(SYS_setresuid, -1, ++turn & 1, -1))
		err(1, "setresuid");
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (waitpid(pid, NULL, 0) != pid)
		err(1, "fork");
}

static void do_getppid(void)
{
	syscall(SYS_getppid);
}

static void do_nothing(void) {}

/* ns that a fixed number of additions takes, each of which waits for the one before. */
static double spin(void)
{
	long long start = now(CLOCK_MONOTONIC);
	unsigned long sum = 0;

	for (int i = 0; i < 2000; i++) {
		sum++;
		__asm__ volatile("" : "+r"(sum));
	}
	return now(CLOCK_MONOTONIC) - start;
}

static void best_spin(long ms)
{
	long long until = now(CLOCK_MONOTONIC) + ms * 1000000;
	double best = spin();

	while (now(CLOCK_MONOTONIC) < until) {
		double ns = spin();

		best = ns < best ? ns : best;
	}
	printf("%.1f\n", best);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Runs it `count` times and prints the median of the pieces that count, and their number. */
static void time_it(void (*run)(void), int piece, long count, double slowest)
{
	double *took, before = spin();
	long pieces = 0;

	if (count < piece)
		piece = count;
	took = calloc(count / piece + 1, sizeof(*took));
	for (long done = 0; done < count;) {
		int n = count - done < piece ? count - done : piece;
		long long start = now(CLOCK_MONOTONIC), end;
		double after;

		for (int i = 0; i < n; i++)
			run();
		end = now(CLOCK_MONOTONIC);
		done += n;
		after = spin();
		if ((slowest == 0 || (before <= slowest && after <= slowest)) && n == piece)
			took[pieces++] = (double)(end - start) / n;
		before = after;
	}
	qsort(took, pieces, sizeof(*took), by_value);
	printf("%.1f %ld\n", pieces ? took[pieces / 2] : 0, pieces);
	free(took);
}

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
	int piece; /* how often in about 100 us */
} ops[] = {{"open", do_open, 50}, {"open-fail", do_open_fail, 50}, {"exec", do_exec, 1}, {"connect", do_connect, 5},
	   {"chmod", do_chmod, 50}, {"kill", do_kill, 200}, {"cred", do_cred, 100}, {"fork", do_fork, 1},
	   {"getppid", do_getppid, 500}, {"nothing", do_nothing, 1}};

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
	double slowest = argc > 5 ? atof(argv[5]) : 0;
	void (*run)(void) = NULL;
	int status, failed = 0, piece = 1;

	for (size_t i = 0; argc > 2 && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(argv[1], ops[i].name)) {
			run = ops[i].run;
			piece = ops[i].piece;
		}
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
	if (argc > 2 && !strcmp(argv[1], "spin"))
		return best_spin(count), 0;
	if (!run || count < 1)
		errx(2, "usage: work open|open-fail|exec|connect|chmod|kill|cred|fork|getppid|lone|threads COUNT [WRITERS [DIR [SPIN]]], or work spin MS");
	for (int w = 0; w < writers; w++) {
		if (w < writers - 1 && fork())
			continue;
		prepare(dir, w);
		time_it(run, piece, count, slowest);
		fflush(stdout);
		if (w < writers - 1)
			_exit(0);
		break;
	}
	while (wait(&status) > 0)
		failed |= status;
	return !!failed;
}
