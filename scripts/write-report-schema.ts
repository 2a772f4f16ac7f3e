/** Writes the JSON Schema of `report.json` for other programs: `npx tsx scripts/write-report-schema.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { reportSchemaDocument } from '../src/report/report-schema.ts';

const folder = new URL('../schemas/', import.meta.url);
mkdirSync(folder, { recursive: true });
const path = fileURLToPath(new URL('report.schema.json', folder));
writeFileSync(path, `${JSON.stringify(reportSchemaDocument(), null, 2)}\n`);
console.log(path);
