import { readFileSync } from 'node:fs';

/** One instruction of a Dockerfile. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** What stands between one `FROM` and the next. */
export interface Stage {
  readonly image: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile as simple as ours: one line an instruction, no variables. */
export function readStages(path: string): readonly Stage[] {
  const stages: (Omit<Stage, 'instructions'> & { instructions: Instruction[] })[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, text] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (name === undefined || text === undefined || text.endsWith('\\')) {
      throw new Error(`Expected an instruction on one line of ${path}, got: ${line}`);
    }
    if (name === 'FROM') {
      const [image = '', , stage] = text.split(' ');
      stages.push({ image, name: stage, instructions: [] });
    } else {
      const last = stages.at(-1);
      if (!last) throw new Error(`Expected FROM first in ${path}, got: ${line}`);
      last.instructions.push({ name, text });
    }
  }
  return stages;
}

/** What an instruction names, and where it goes: `COPY --from=build a b /c` has the sources a and b. */
export function readCopy(text: string): { from: string | undefined; sources: readonly string[]; target: string } {
  const words = text.split(' ');
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
  const paths = words.filter((word) => !word.startsWith('--'));
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
}

/** The words of an instruction in exec form, such as `["node", "a.js"]`; throws for the form that starts a shell. */
export const readExec = (text: string): readonly string[] => JSON.parse(text.slice(text.indexOf('['))) as string[];

/** Whether `.dockerignore` keeps a path, with `/`, from the build; its patterns are names with `*` for a part of one. */
export function readIgnore(path: string): (file: string) => boolean {
  const lines = readFileSync(path, 'utf8').split('\n');
  const patterns = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const expressions = patterns.map((pattern) => {
    if (!/^[\w.*/-]+$/.test(pattern) || pattern.includes('**')) {
      throw new Error(`Expected a plain pattern in ${path}, got: ${pattern}`);
    }
    return new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}(/|$)`);
  });
  return (file) => expressions.some((expression) => expression.test(file));
}
