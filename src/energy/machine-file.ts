import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, cpus, platform } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Machine } from './cpu-power.ts';

export interface MachineOptions {
  /** Folder that holds `proc` and `sys`; another than `/` for recorded trees. */
  readonly root?: string;
  /** Instead of this process's own, for recorded trees. */
  readonly platform?: string;
}

/**
 * Describes the processor, and whether it is a virtual one, from what the system tells without special rights: on Linux
 * `/proc/cpuinfo` (the flag `hypervisor`), `/sys/class/dmi/id`, `/sys/hypervisor/type` and the device tree; on macOS
 * `sysctl kern.hv_vmm_present`. What cannot be read is left out.
 */
export async function describeMachine(options: MachineOptions = {}): Promise<Machine> {
  const { root = '/', platform: system = platform() } = options;
  const processors = cpus();
  const read = (path: string): Promise<string> => readText(join(root, path));
  const cpuinfo = system === 'linux' ? await read('proc/cpuinfo') : '';
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}[ \\t]*:[ \\t]*(.+)$`, 'm').exec(cpuinfo)?.[1]?.trim();
  const virtualization =
    system === 'linux'
      ? await findHypervisor(read, field)
      : system === 'darwin'
        ? await findMacHypervisor()
        : undefined;
  const [family, model] = [Number(field('cpu family')), Number(field('model'))];
  return {
    cpuModel: field('model name') ?? processors[0]?.model.trim() ?? '',
    ...(Number.isInteger(family) && { cpuFamily: family }),
    ...(Number.isInteger(model) && { cpuModelNumber: model }),
    logicalCpus: Math.max(processors.length, 1),
    architecture: arch(),
    platform: system,
    ...(virtualization !== undefined && { virtualization }),
  };
}

/** Makers and products in the firmware's tables that mean a virtual machine. */
const virtualProducts =
  /QEMU|KVM|VMware|VirtualBox|innotek|Xen|Bochs|Parallels|bhyve|OpenStack|Virtual Machine|Google Compute Engine|Amazon EC2|Alibaba Cloud|DigitalOcean|Droplet|Hetzner vServer|RHEV|HVM domU/i;

async function findHypervisor(
  read: (path: string) => Promise<string>,
  field: (name: string) => string | undefined,
): Promise<string | undefined> {
  const vendor = (await read('sys/class/dmi/id/sys_vendor')).trim();
  const product = (await read('sys/class/dmi/id/product_name')).trim();
  // Clouds also rent whole machines, under the same maker's name.
  const isMetal = /\.metal\b|bare.?metal/i.test(product);
  if (!isMetal && virtualProducts.test(`${vendor} ${product}`)) return `${vendor} ${product}`.trim();
  const kind = (await read('sys/hypervisor/type')).trim();
  if (kind !== '' && (await read('sys/hypervisor/guest_type')).trim() !== 'Dom0')
    return `/sys/hypervisor/type: ${kind}`;
  const tree = (await read('proc/device-tree/hypervisor/compatible')).replaceAll('\0', ' ').trim();
  if (tree !== '') return `device tree: ${tree}`;
  const flags = (field('flags') ?? '').split(/\s+/);
  return flags.includes('hypervisor') ? 'the processor flag "hypervisor"' : undefined;
}

async function findMacHypervisor(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('/usr/sbin/sysctl', ['-n', 'kern.hv_vmm_present'], { timeout: 2000 });
    return stdout.trim() === '1' ? 'kern.hv_vmm_present' : undefined;
  } catch {
    return undefined;
  }
}

const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
