/**
 * The part of WASI (preview 1) that guests' runtimes ask for: output goes to the log, time and randomness are the
 * proxy's, and there are no files (proxy-wasm.md 1.2).
 */
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

const SUCCESS = 0;
const BADF = 8;
const FAULT = 21;
const INVAL = 28;
const NOENT = 44;
const NOSYS = 52;
const NOTSUP = 58;
/** What a function answers that the configuration does not allow. */
export const WASI_DENIED = 76;

const MAX_RANDOM = 64 * 1024;
const MAX_OUTPUT = 16 * 1024;
const STDOUT = 1;
const STDERR = 2;

export function wasiFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;

  const environment = (): readonly string[] =>
    vm.host.environment.map(([name, value]) => `${name}=${value}\0`);

  return {
    fd_write(fd: number, vectors: number, count: number, writtenAt: number) {
      if (fd !== STDOUT && fd !== STDERR) return BADF;
      const at = vectors >>> 0;
      if (count >>> 0 > 1024 || !memory.has(at, (count >>> 0) * 8) || !memory.has(writtenAt >>> 0, 4))
        return FAULT;
      let text = "";
      let written = 0;
      for (let i = 0; i < count; i++) {
        const from = memory.getU32(at + i * 8);
        const size = memory.getU32(at + i * 8 + 4);
        if (!memory.has(from, size)) return FAULT;
        written += size;
        text += memory.text(from, Math.min(size, MAX_OUTPUT - Math.min(text.length, MAX_OUTPUT)));
      }
      if (text.endsWith("\n")) text = text.slice(0, -1);
      if (text !== "") vm.log(fd === STDOUT ? "info" : "error", text);
      memory.putU32(writtenAt >>> 0, written);
      return SUCCESS;
    },

    environ_sizes_get(countAt: number, sizeAt: number) {
      if (!memory.has(countAt >>> 0, 4) || !memory.has(sizeAt >>> 0, 4)) return FAULT;
      const all = environment();
      memory.putU32(countAt >>> 0, all.length);
      memory.putU32(
        sizeAt >>> 0,
        all.reduce((sum, one) => sum + one.length, 0),
      );
      return SUCCESS;
    },

    environ_get(pointersAt: number, textAt: number) {
      let to = textAt >>> 0;
      let pointer = pointersAt >>> 0;
      for (const one of environment()) {
        if (!memory.has(pointer, 4) || !memory.has(to, one.length)) return FAULT;
        memory.putU32(pointer, to);
        const bytes = memory.view();
        for (let i = 0; i < one.length; i++) bytes[to + i] = one.charCodeAt(i);
        pointer += 4;
        to += one.length;
      }
      return SUCCESS;
    },

    args_sizes_get(countAt: number, sizeAt: number) {
      if (!memory.has(countAt >>> 0, 4) || !memory.has(sizeAt >>> 0, 4)) return FAULT;
      memory.putU32(countAt >>> 0, 0);
      memory.putU32(sizeAt >>> 0, 0);
      return SUCCESS;
    },

    args_get: () => SUCCESS,

    clock_time_get(clock: number, _precision: bigint, timeAt: number) {
      if (clock !== 0 && clock !== 1) return NOTSUP;
      if (!memory.has(timeAt >>> 0, 8)) return FAULT;
      const time = vm.host.context.clock;
      memory.put64(timeAt >>> 0, Math.floor((clock === 0 ? time.wall : time.now) * 1e6));
      return SUCCESS;
    },

    clock_res_get(clock: number, resolutionAt: number) {
      if (clock !== 0 && clock !== 1) return NOTSUP;
      if (!memory.has(resolutionAt >>> 0, 8)) return FAULT;
      memory.put64(resolutionAt >>> 0, 1);
      return SUCCESS;
    },

    random_get(at: number, size: number) {
      if (size >>> 0 > MAX_RANDOM) return INVAL;
      if (!memory.has(at >>> 0, size >>> 0)) return FAULT;
      vm.host.context.fillRandom(memory.view().subarray(at >>> 0, (at >>> 0) + (size >>> 0)));
      return SUCCESS;
    },

    /** Nothing is ever ready; Go's collector sleeps by it. */
    poll_oneoff(_in: number, _out: number, _count: number, eventsAt: number) {
      if (!memory.has(eventsAt >>> 0, 4)) return FAULT;
      memory.putU32(eventsAt >>> 0, 0);
      return SUCCESS;
    },

    sched_yield: () => SUCCESS,

    fd_fdstat_get(fd: number, at: number) {
      if (fd !== STDOUT && fd !== STDERR) return BADF;
      if (!memory.has(at >>> 0, 24)) return FAULT;
      memory.view().fill(0, at >>> 0, (at >>> 0) + 24);
      memory.putU32((at >>> 0) + 8, 64); // may be written
      return SUCCESS;
    },

    proc_exit(code: number) {
      vm.log("info", `proc_exit(${code})`);
    },

    proc_raise: () => NOTSUP,
    fd_prestat_get: () => BADF,
    fd_prestat_dir_name: () => NOSYS,
    fd_read: () => NOSYS,
    fd_close: () => SUCCESS,
    fd_seek: () => SUCCESS,
    fd_fdstat_set_flags: () => NOSYS,
    fd_fdstat_set_rights: () => NOTSUP,
    path_open: () => NOENT,
    path_filestat_get: () => NOTSUP,
    fd_filestat_get: () => BADF,
    fd_advise: () => NOTSUP,
    fd_allocate: () => NOTSUP,
    fd_datasync: () => NOTSUP,
    fd_filestat_set_size: () => NOTSUP,
    fd_filestat_set_times: () => NOTSUP,
    fd_pread: () => NOTSUP,
    fd_pwrite: () => NOTSUP,
    fd_readdir: () => NOTSUP,
    fd_renumber: () => NOTSUP,
    fd_sync: () => NOTSUP,
    fd_tell: () => NOTSUP,
    path_create_directory: () => NOTSUP,
    path_filestat_set_times: () => NOTSUP,
    path_link: () => NOTSUP,
    path_readlink: () => NOTSUP,
    path_remove_directory: () => NOTSUP,
    path_rename: () => NOTSUP,
    path_symlink: () => NOTSUP,
    path_unlink_file: () => NOTSUP,
    sock_accept: () => NOTSUP,
    sock_recv: () => NOTSUP,
    sock_send: () => NOTSUP,
    sock_shutdown: () => NOTSUP,
  };
}
