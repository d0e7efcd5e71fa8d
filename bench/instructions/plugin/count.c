/*
 * A plugin of QEMU that counts the instructions of the guest, all its threads together, and tells the count on descriptor 3 each time
 * that the guest comes by an address:
 *
 *   qemu-arm -plugin ./plugin.so,mark=0x1234 ./program 3>counts
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What it uses of qemu-plugin.h, version 1, which Debian does not ship. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void tb_trans_cb(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void exec_cb(unsigned int vcpu, void *userdata);
enum { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb *cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb *cb, int flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_cb *cb, int flags, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { MAX_THREADS = 1024 };
static uint64_t counts[MAX_THREADS]; /* one writer each */
static uint64_t mark;

static void block_runs(unsigned int vcpu, void *instructions) { counts[vcpu % MAX_THREADS] += (uintptr_t)instructions; }

static void mark_runs(unsigned int vcpu, void *unused) {
    (void)vcpu, (void)unused;
    uint64_t sum = 0;
    for (int i = 0; i < MAX_THREADS; i++)
        sum += counts[i];
    dprintf(3, "%" PRIu64 "\n", sum);
}

static void block_is_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)n);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        if (qemu_plugin_insn_vaddr(insn) == mark)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_runs, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "mark=", 5) != 0) {
        fprintf(stderr, "the plugin wants mark=ADDRESS\n");
        return -1;
    }
    mark = strtoull(argv[0] + 5, NULL, 0);
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_is_translated);
    return 0;
}
