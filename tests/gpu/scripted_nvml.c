/* A scripted libnvidia-ml.so.1: NVIDIA's management library without a GPU, for tests.

   SCRIPTED_NVML names a text file that is read anew at each query, so a test may rewrite it:

     driver 570.86.15
     zero 1795227354.5            script time 0 in s since the epoch; default: the first nvmlInit
     clock 2.5                    script time stands still at 2.5 s: every figure is exact
     device 0 name=Fake_A uuid=GPU-a total=8589934592 accounting=on
     device 1 name=Fake_B uuid=GPU-b total=8589934592 mig=on migs=2
     device 1:0 uuid=MIG-b0 total=1073741824
     at 0.0 0 used=5000 util=0 power=50000 energy=1000000 temp=30 sm=345 throttle=0x1
     at 1.0 0 used=9000 util=80 power=250000 compute=1234:4000,77:3 graphics=1234:4000
     at 2.0 0 compute=55:none     a process whose memory the driver does not know
     at 2.0 0 compute=@PATTERN:1000   each pid in the files of a glob pattern (cgroup.procs)
     account 0 1234 bytes=7000 start=1795227354000000
     error nvmlDeviceGetPowerUsage 3 device=0 from=1.0 to=2.0
     error * 15 device=0 from=2.0                          the GPU is lost

   "at T D k=v …", in order of T, holds from T on; what a later line leaves out stays. Units are NVML's: mW, mJ, MHz,
   degrees Celsius, percent, bytes. Energy without energy= is the integral of power. "_" in a name is
   a blank. A device without mig= has no MIG. Missing symbols come from a linker version script.

   It cannot pass for a driver: its version ends in "-scripted", and it exports the symbol below. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int R;
typedef unsigned long long u64;
enum {
  OK = 0, UNINIT = 1, INVAL = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, NOT_LOADED = 9,
  MISMATCH = 25, MAX_GPU = 8, MAX_MIG = 7, MAX_PROC = 256, MAX_ACCOUNT = 64, MAX_CALLS = 64
};
#define NONE 0xffffffffffffffffull

/* A handle: a GPU (mig -1), or one of its MIG devices. */
typedef struct handle { int gpu, mig; } *H;
struct proc { unsigned pid; u64 bytes; };
struct list { int n; struct proc p[MAX_PROC]; };
struct account { unsigned pid; u64 bytes, start; };
struct state {
  char name[96], uuid[96];
  u64 total, used;
  double energy;
  unsigned util, power, temp, sm, accounting;
  int mig, migs, accounts;
  u64 throttle;
  struct list compute, graphics;
  struct account account[MAX_ACCOUNT];
};
struct script { int devices; char driver[80]; R error; };

const char morocco_scripted_driver[] = "a test double, not a driver";

static struct handle handles[MAX_GPU][MAX_MIG + 1];
static double first_init;
static int inited;
static struct { char name[64]; u64 n; } calls[MAX_CALLS];

/* How often a function was called: tests see that a refusal is not asked again. */
u64 morocco_scripted_calls(const char *name) {
  for (int i = 0; i < MAX_CALLS; i++)
    if (!strcmp(calls[i].name, name)) return calls[i].n;
  return 0;
}
static void count_call(const char *name) {
  for (int i = 0; i < MAX_CALLS; i++) {
    if (!calls[i].name[0]) snprintf(calls[i].name, sizeof calls[i].name, "%s", name);
    if (!strcmp(calls[i].name, name)) { calls[i].n++; return; }
  }
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

/* " key=value" in a line; the value ends at white space. */
static int get(const char *line, const char *key, char *out, size_t size) {
  size_t length = strlen(key);
  for (const char *p = line; (p = strstr(p, key)); p += length)
    if (p > line && p[-1] == ' ' && p[length] == '=') {
      size_t n = strcspn(p += length + 1, " \t\r\n");
      if (n >= size) n = size - 1;
      memcpy(out, p, n);
      out[n] = 0;
      return 1;
    }
  return 0;
}
static void add(struct list *list, unsigned pid, u64 bytes) {
  if (list->n < MAX_PROC) list->p[list->n++] = (struct proc){pid, bytes};
}
static u64 amount(const char *text) { return !strcmp(text, "none") ? NONE : strtoull(text, 0, 0); }

/* "1234:5000,77:none,@PATTERN:100" */
static void parse_processes(char *text, struct list *list) {
  list->n = 0;
  for (char *save, *item = strtok_r(text, ",", &save); item; item = strtok_r(0, ",", &save)) {
    char *colon = strrchr(item, ':');
    if (!colon) continue;
    *colon = 0;
    u64 bytes = amount(colon + 1);
    if (*item != '@') { add(list, strtoul(item, 0, 10), bytes); continue; }
    glob_t found;
    if (!glob(item + 1, 0, 0, &found))
      for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "r");
        unsigned pid;
        if (!file) continue;
        while (fscanf(file, "%u", &pid) == 1) add(list, pid, bytes);
        fclose(file);
      }
    globfree(&found);
  }
}
static int parse_target(const char *text, struct handle *target) {
  target->mig = -1;
  return sscanf(text, "%d:%d", &target->gpu, &target->mig) >= 1;
}
static void parse_state(const char *line, struct state *s) {
  char v[4096];
  if (get(line, "name", s->name, sizeof s->name))
    for (char *p = s->name; *p; p++) if (*p == '_') *p = ' ';
  get(line, "uuid", s->uuid, sizeof s->uuid);
  if (get(line, "total", v, sizeof v)) s->total = strtoull(v, 0, 0);
  if (get(line, "accounting", v, sizeof v)) s->accounting = !strcmp(v, "on");
  if (get(line, "mig", v, sizeof v)) s->mig = !strcmp(v, "on");
  if (get(line, "migs", v, sizeof v)) s->migs = atoi(v);
  if (get(line, "used", v, sizeof v)) s->used = strtoull(v, 0, 0);
  if (get(line, "util", v, sizeof v)) s->util = strtoul(v, 0, 0);
  if (get(line, "temp", v, sizeof v)) s->temp = strtoul(v, 0, 0);
  if (get(line, "power", v, sizeof v)) s->power = strtoul(v, 0, 0);
  if (get(line, "sm", v, sizeof v)) s->sm = strtoul(v, 0, 0);
  if (get(line, "throttle", v, sizeof v)) s->throttle = strtoull(v, 0, 0);
  if (get(line, "energy", v, sizeof v)) s->energy = strtod(v, 0);
  if (get(line, "compute", v, sizeof v)) parse_processes(v, &s->compute);
  if (get(line, "graphics", v, sizeof v)) parse_processes(v, &s->graphics);
}

/* Read the script: state of one handle now, and the error that `function` shall give, if any. */
static void load(const char *function, H h, struct script *script, struct state *s) {
  static const struct handle nobody = {-1, -1};
  struct handle self = h ? *h : nobody;
  memset(script, 0, sizeof *script);
  memset(s, 0, sizeof *s);
  s->mig = -1;
  strcpy(script->driver, "999.99");
  count_call(function);
  const char *path = getenv("SCRIPTED_NVML");
  FILE *file = path ? fopen(path, "r") : 0;
  if (!file) { script->error = NOT_LOADED; return; }
  char line[8192], word[128], target[64];
  double zero = first_init ? first_init : now(), clock = -1, t = 0, before = 0;
  while (fgets(line, sizeof line, file)) {
    double T = clock >= 0 ? clock : now() - zero;
    struct handle its;
    int code;
    unsigned pid;
    if (sscanf(line, "driver %79s", script->driver) == 1) continue;
    if (sscanf(line, "zero %lf", &zero) == 1 || sscanf(line, "clock %lf", &clock) == 1) continue;
    if (sscanf(line, "device %63s", target) == 1 && parse_target(target, &its)) {
      if (its.gpu >= script->devices && its.gpu < MAX_GPU) script->devices = its.gpu + 1;
      if (its.gpu == self.gpu && its.mig == self.mig) parse_state(line, s);
    } else if (sscanf(line, "at %lf %63s", &t, target) == 2 && parse_target(target, &its)) {
      if (its.gpu != self.gpu || its.mig != self.mig || t > T) continue;
      s->energy += s->power * (t - before);
      before = t;
      parse_state(line, s);
    } else if (sscanf(line, "account %63s %u", target, &pid) == 2 && parse_target(target, &its)) {
      if (its.gpu != self.gpu || its.mig != self.mig || s->accounts == MAX_ACCOUNT) continue;
      struct account *a = &s->account[s->accounts++];
      char v[64];
      a->pid = pid;
      if (get(line, "bytes", v, sizeof v)) a->bytes = amount(v);
      if (get(line, "start", v, sizeof v)) a->start = strtoull(v, 0, 0);
    } else if (sscanf(line, "error %127s %d", word, &code) == 2) {
      char v[64];
      if (strcmp(word, function) && (strcmp(word, "*") || !h)) continue;
      if (get(line, "device", v, sizeof v) && parse_target(v, &its) &&
          (its.gpu != self.gpu || its.mig != self.mig)) continue;
      if (get(line, "from", v, sizeof v) && T < strtod(v, 0)) continue;
      if (get(line, "to", v, sizeof v) && T >= strtod(v, 0)) continue;
      script->error = code;
    }
  }
  fclose(file);
  s->energy += s->power * ((clock >= 0 ? clock : now() - zero) - before);
}

#define ASK(handle)                                                                        \
  struct script script;                                                                    \
  struct state s;                                                                          \
  if (!inited) return UNINIT;                                                              \
  load(__func__, handle, &script, &s);                                                     \
  if (script.error) return script.error
#define ASK_DEVICE(handle)                                                                 \
  if (!handle) return INVAL;                                                               \
  ASK(handle)
/* What only a whole GPU knows. */
#define ASK_GPU(handle)                                                                    \
  ASK_DEVICE(handle);                                                                      \
  if (handle->mig >= 0) return INVAL

static R text(char *out, unsigned size, const char *value) {
  if (!out) return INVAL;
  if (strlen(value) >= size) return SMALL;
  strcpy(out, value);
  return OK;
}

R nvmlInitWithFlags(unsigned flags) {
  struct script script;
  struct state s;
  (void)flags;
  load(__func__, 0, &script, &s);
  if (script.error) return script.error;
  if (!inited++ && !first_init) first_init = now();
  for (int g = 0; g < MAX_GPU; g++)
    for (int m = -1; m < MAX_MIG; m++) handles[g][m + 1] = (struct handle){g, m};
  return OK;
}
R nvmlShutdown(void) { if (!inited) return UNINIT; inited--; return OK; }
const char *nvmlErrorString(R code) {
  static char message[40];
  snprintf(message, sizeof message, "scripted error %d", code);
  return message;
}
R nvmlSystemGetDriverVersion(char *out, unsigned size) { ASK(0); return text(out, size, script.driver); }
R nvmlSystemGetNVMLVersion(char *out, unsigned size) {
  ASK(0);
  char version[100];
  snprintf(version, sizeof version, "13.%s-scripted", script.driver);
  return text(out, size, version);
}
R nvmlDeviceGetCount_v2(unsigned *n) { ASK(0); *n = script.devices; return OK; }
R nvmlDeviceGetHandleByIndex_v2(unsigned i, H *out) {
  if (i >= MAX_GPU) return INVAL;
  ASK(&handles[i][0]);
  if (i >= (unsigned)script.devices) return INVAL;
  *out = &handles[i][0];
  return OK;
}
R nvmlDeviceGetMigMode(H h, unsigned *current, unsigned *pending) {
  ASK_GPU(h);
  if (s.mig < 0) return NOT_SUPPORTED;
  *current = *pending = s.mig;
  return OK;
}
R nvmlDeviceGetMaxMigDeviceCount(H h, unsigned *n) { ASK_GPU(h); *n = s.mig > 0 ? MAX_MIG : 0; return OK; }
R nvmlDeviceGetMigDeviceHandleByIndex(H h, unsigned i, H *out) {
  ASK_GPU(h);
  if (s.mig < 1 || i >= MAX_MIG) return INVAL;
  if (i >= (unsigned)s.migs) return NOT_FOUND;
  *out = &handles[h->gpu][i + 1];
  return OK;
}
R nvmlDeviceGetName(H h, char *out, unsigned size) { ASK_DEVICE(h); return text(out, size, s.name); }
R nvmlDeviceGetUUID(H h, char *out, unsigned size) { ASK_DEVICE(h); return text(out, size, s.uuid); }
R nvmlDeviceGetMemoryInfo(H h, u64 *m) {
  ASK_DEVICE(h);
  m[0] = s.total, m[1] = s.total - s.used, m[2] = s.used;
  return OK;
}
R nvmlDeviceGetUtilizationRates(H h, unsigned *u) { ASK_GPU(h); u[0] = s.util; u[1] = 0; return OK; }
R nvmlDeviceGetPowerUsage(H h, unsigned *mw) { ASK_GPU(h); *mw = s.power; return OK; }
R nvmlDeviceGetTotalEnergyConsumption(H h, u64 *mj) { ASK_GPU(h); *mj = (u64)(s.energy + 0.5); return OK; }
R nvmlDeviceGetClockInfo(H h, int kind, unsigned *mhz) {
  ASK_GPU(h);
  if (kind != 1) return INVAL; /* NVML_CLOCK_SM */
  *mhz = s.sm;
  return OK;
}
R nvmlDeviceGetCurrentClocksEventReasons(H h, u64 *bits) { ASK_GPU(h); *bits = s.throttle; return OK; }
R nvmlDeviceGetCurrentClocksThrottleReasons(H h, u64 *bits) { ASK_GPU(h); *bits = s.throttle; return OK; }
struct temperature { unsigned version; int sensor, celsius; };
R nvmlDeviceGetTemperatureV(H h, struct temperature *t) {
  ASK_GPU(h);
  if (t->version != (sizeof *t | 1 << 24)) return MISMATCH;
  t->celsius = s.temp;
  return OK;
}
R nvmlDeviceGetTemperature(H h, int sensor, unsigned *t) { (void)sensor; ASK_GPU(h); *t = s.temp; return OK; }

struct info { unsigned pid; u64 bytes; unsigned gpu_instance, compute_instance; };
static R processes(const struct list *list, unsigned *n, struct info *out) {
  unsigned room = *n;
  *n = list->n;
  if (!list->n) return OK;
  if (!out || room < (unsigned)list->n) return SMALL;
  for (int i = 0; i < list->n; i++)
    out[i] = (struct info){list->p[i].pid, list->p[i].bytes, 0xffffffffu, 0xffffffffu};
  return OK;
}
R nvmlDeviceGetComputeRunningProcesses_v3(H h, unsigned *n, struct info *o) { ASK_DEVICE(h); return processes(&s.compute, n, o); }
R nvmlDeviceGetComputeRunningProcesses_v2(H h, unsigned *n, struct info *o) { ASK_DEVICE(h); return processes(&s.compute, n, o); }
R nvmlDeviceGetGraphicsRunningProcesses_v3(H h, unsigned *n, struct info *o) { ASK_DEVICE(h); return processes(&s.graphics, n, o); }
R nvmlDeviceGetGraphicsRunningProcesses_v2(H h, unsigned *n, struct info *o) { ASK_DEVICE(h); return processes(&s.graphics, n, o); }

R nvmlDeviceGetAccountingMode(H h, unsigned *mode) { ASK_DEVICE(h); *mode = s.accounting; return OK; }
/* No test of ours may switch the mode on a real machine. */
R nvmlDeviceSetAccountingMode(H h, unsigned mode) { (void)mode; ASK_DEVICE(h); return OK; }
struct stats { unsigned gpu, memory; u64 peak, time, start; unsigned running, reserved[5]; };
R nvmlDeviceGetAccountingStats(H h, unsigned pid, struct stats *out) {
  ASK_DEVICE(h);
  if (!s.accounting) return NOT_SUPPORTED;
  for (int i = 0; i < s.accounts; i++)
    if (s.account[i].pid == pid) {
      *out = (struct stats){.peak = s.account[i].bytes, .start = s.account[i].start};
      return OK;
    }
  return NOT_FOUND;
}
/* Functions that every driver has; not asked by the sampler. */
R nvmlUnitGetCount(unsigned *n) { *n = 0; return OK; }
R nvmlDeviceGetSerial(H h, char *out, unsigned size) { (void)h, (void)out, (void)size; return NOT_SUPPORTED; }
R nvmlDeviceGetPciInfo(H h, void *out) { (void)h, (void)out; return NOT_SUPPORTED; }
