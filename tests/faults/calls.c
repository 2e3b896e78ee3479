/* Stands between a process and the disk: at the n-th call that changes a file it kills the process or refuses.

   Preloaded (LD_PRELOAD) it sees what Python, SQLite and safetensors do alike. Until `arm` is called it only counts.
   Calls on what is not a regular file or a folder (pipes, terminals, /dev/null) do not count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long seen = 0, moment = 0;
static int refusal = 0; /* the error from the moment on; 0: the process is killed there */

long calls_seen(void) { return seen; }

/* In `at` more calls (0: never) the process is killed, or with an error that call and all after it are refused. */
void calls_arm(long at, int error) { seen = 0; moment = at; refusal = error; }

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int on_disk(int handle) {
    struct stat about;
    int kept = errno, found = fstat(handle, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
    errno = kept;
    return found;
}

/* Whether this call is refused; `frees`: it takes no space, so a full disk does not refuse it. */
static int reached(int frees) {
    seen++;
    if (!moment || seen < moment) return 0;
    if (!refusal) kill(getpid(), SIGKILL);
    if (frees && refusal == ENOSPC) return 0;
    errno = refusal;
    return 1;
}

/* Of a write at the moment itself one half is made, as a real disk does it before it is full. */
#define WRITES(call, half)                                          \
    if (on_disk(handle)) {                                          \
        int torn = moment && seen + 1 == moment && size > 1;        \
        ssize_t made = torn && (!refusal || refusal == ENOSPC) ? half : 0; \
        if (made > 0 && refusal) { seen++; return made; }           \
        if (reached(0)) return -1;                                  \
    }                                                               \
    return call

ssize_t write(int handle, const void *bytes, size_t size) {
    REAL(write);
    WRITES(real(handle, bytes, size), real(handle, bytes, size / 2));
}
ssize_t pwrite(int handle, const void *bytes, size_t size, off_t at) {
    REAL(pwrite);
    WRITES(real(handle, bytes, size, at), real(handle, bytes, size / 2, at));
}
ssize_t pwrite64(int handle, const void *bytes, size_t size, off64_t at) {
    REAL(pwrite64);
    WRITES(real(handle, bytes, size, at), real(handle, bytes, size / 2, at));
}
ssize_t writev(int handle, const struct iovec *parts, int size) {
    REAL(writev);
    WRITES(real(handle, parts, size), real(handle, parts, size / 2));
}
ssize_t sendfile(int handle, int from, off_t *at, size_t size) {
    REAL(sendfile);
    WRITES(real(handle, from, at, size), real(handle, from, at, size / 2));
}
ssize_t sendfile64(int handle, int from, off64_t *at, size_t size) {
    REAL(sendfile64);
    WRITES(real(handle, from, at, size), real(handle, from, at, size / 2));
}

#define ON_HANDLE(name, frees, parameters, arguments) \
    int name parameters { REAL(name); if (on_disk(handle) && reached(frees)) return -1; return real arguments; }
ON_HANDLE(fsync, 1, (int handle), (handle))
ON_HANDLE(fdatasync, 1, (int handle), (handle))
ON_HANDLE(ftruncate, 1, (int handle, off_t size), (handle, size))
ON_HANDLE(ftruncate64, 1, (int handle, off64_t size), (handle, size))

#define ON_NAME(name, frees, parameters, arguments) \
    int name parameters { REAL(name); if (reached(frees)) return -1; return real arguments; }
ON_NAME(rename, 1, (const char *from, const char *to), (from, to))
ON_NAME(renameat, 1, (int a, const char *from, int b, const char *to), (a, from, b, to))
ON_NAME(link, 0, (const char *from, const char *to), (from, to))
ON_NAME(linkat, 0, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
ON_NAME(unlink, 1, (const char *path), (path))
ON_NAME(unlinkat, 1, (int folder, const char *path, int flags), (folder, path, flags))
ON_NAME(rmdir, 1, (const char *path), (path))
ON_NAME(mkdir, 0, (const char *path, mode_t mode), (path, mode))
ON_NAME(mkdirat, 0, (int folder, const char *path, mode_t mode), (folder, path, mode))

/* Opening counts where it may make or empty a file; what is there already is a device or costs no space. */
static int opening(int folder, const char *path, int flags) {
    struct stat about;
    int kept = errno, there = fstatat(folder, path, &about, 0) == 0;
    errno = kept;
    if (there && !S_ISREG(about.st_mode)) return 0;
    if (refusal == EROFS ? (flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT) : !(flags & (O_CREAT | O_TRUNC)))
        return 0;
    return reached(there);
}

#define OPENS(name, folder, parameters, arguments)                          \
    int name parameters {                                                   \
        REAL(name);                                                         \
        mode_t mode = 0;                                                    \
        if (flags & (O_CREAT | O_TMPFILE)) {                                \
            va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); \
        }                                                                   \
        if (opening(folder, path, flags)) return -1;                        \
        return real arguments;                                              \
    }
OPENS(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, at, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPENS(openat64, at, (int at, const char *path, int flags, ...), (at, path, flags, mode))
