/* Loaded into the program by LD_PRELOAD: in each thread that the program starts, first tries what a decoder that was taken over by
 * a hostile medium would try, and says on standard error what the kernel answers: 0, or the number of the error.
 *
 *     cc -shared -fPIC -o intruder.so intruder.c
 *
 * INTRUDER_READ: a file or folder to open; INTRUDER_WRITE: a file to make; INTRUDER_ALLOWED: a file to read, which is allowed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct start {
    void *(*routine)(void *);
    void *argument;
    sem_t *tried;
};

static int answer(long result) { return result < 0 ? errno : 0; }

static int open_as(const char *variable, int flags) {
    const char *path = getenv(variable);
    if (!path)
        return -1;
    int fd = open(path, flags | O_CLOEXEC, 0600);
    int said = answer(fd);
    if (fd >= 0)
        close(fd);
    return said;
}

static int socket_of(int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int said = answer(fd);
    if (fd >= 0)
        close(fd);
    return said;
}

static void try_all(void) {
    /* What is not there: where the call is not refused, the answer is that there is no such file. */
    char *nobody[] = {"/nowhere/at/all", NULL};
    char key = '\n';
    struct io_uring_params ring = {0};
    char line[512];
    int n = snprintf(line, sizeof line,
                     "intruder: allowed=%d read=%d write=%d exec=%d internet=%d unix=%d mount=%d unshare=%d ptrace=%d io_uring=%d "
                     "typing=%d truncate=%d chmod=%d\n",
                     open_as("INTRUDER_ALLOWED", O_RDONLY), open_as("INTRUDER_READ", O_RDONLY),
                     open_as("INTRUDER_WRITE", O_WRONLY | O_CREAT), answer(execv(nobody[0], nobody)), socket_of(AF_INET),
                     socket_of(AF_UNIX), answer(mount("none", nobody[0], "tmpfs", 0, NULL)), answer(unshare(0)),
                     answer(ptrace(PTRACE_ATTACH, 0x7fffffff, 0, 0)), answer(syscall(SYS_io_uring_setup, 0, &ring)),
                     answer(ioctl(-1, TIOCSTI, &key)), answer(truncate(nobody[0], 0)),
                     answer(chmod(nobody[0], 0600)));
    if (write(2, line, n) < 0)
        abort();
}

static void *begin(void *given) {
    struct start start = *(struct start *)given;
    try_all();
    sem_post(start.tried);
    return start.routine(start.argument);
}

/* Waits until the thread has tried: the program may end before it would have run. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument) {
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    sem_t tried;
    sem_init(&tried, 0, 0);
    struct start start = {routine, argument, &tried};
    int failed = next(thread, attributes, begin, &start);
    while (!failed && sem_wait(&tried))
        ;
    return failed;
}
