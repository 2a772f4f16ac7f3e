import type { MeasurementRecord } from '../../core/measurement.ts';
import { changeText, countSentence, verdictTexts } from './change-text.ts';
import type { Change, Comparison } from './compare-records.ts';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // In an attribute, a parser would turn them into spaces.
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
};

/**
 * A comparison as JUnit XML, one test case for each record: what regressed failed, what could not be judged was skipped, and
 * all else passed. What only one of both has is skipped too.
 *
 * @remarks All text is escaped; characters that XML cannot hold are dropped.
 */
export function comparisonJunit(comparison: Comparison): string {
  const { changes, onlyBefore, onlyAfter, before, after } = comparison;
  const cases = [
    ...changes.map(changeCase),
    ...onlyBefore.map((record) => lostCase(record, 'only before')),
    ...onlyAfter.map((record) => lostCase(record, 'only after')),
  ];
  const count = (part: string): number => cases.filter((text) => text.includes(`<${part} `)).length;
  const counts = `tests="${cases.length}" failures="${count('failure')}" errors="0" skipped="${count('skipped')}"`;
  const properties = [
    ['before', before.commit ?? before.createdAt],
    ['after', after.commit ?? after.createdAt],
    ['result', countSentence(comparison)],
  ] as const;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="itera-lite report --compare" ${counts}>
<testsuite name="itera-lite report --compare" timestamp="${escapeXml(after.createdAt)}" time="0" ${counts}>
<properties>
${properties.map(([name, value]) => `<property name="${name}" value="${escapeXml(value)}"/>`).join('\n')}
</properties>
${cases.join('\n')}
</testsuite>
</testsuites>
`;
}

function changeCase(change: Change): string {
  const { after, verdict, reason } = change;
  const message = escapeXml(`${verdictTexts[verdict]}: ${describe(change)} (${reason})`);
  const outcome =
    verdict === 'regressed'
      ? `<failure type="regression" message="${message}"/>`
      : verdict === 'improved' || verdict === 'changed' || verdict === 'unchanged'
        ? `<system-out>${message}</system-out>`
        : `<skipped message="${message}"/>`;
  return testCase(after, outcome);
}

const lostCase = (record: MeasurementRecord, where: string): string =>
  testCase(record, `<skipped message="${where}"/>`);

const testCase = ({ id, metric }: MeasurementRecord, outcome: string): string =>
  `<testcase classname="${metric}" name="${escapeXml(id)}" time="0">${outcome}</testcase>`;

function describe(change: Change): string {
  const { before, after } = change;
  const side = (record: MeasurementRecord): string =>
    record.status === 'notRun'
      ? 'not run'
      : `${record.value}${record.interval ? ` [${record.interval.join(', ')}]` : ''}`;
  return `${side(before)} before, ${side(after)} after, ${changeText(change)}`;
}

/** Text for content and quoted attributes alike; XML 1.0 has no place for other control characters and lone surrogates. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\P{Cc}\t\n\r]|\p{Cs}|[\uFFFE\uFFFF]/gu, '')
    .replace(/[&<>"'\n\r\t]/g, (mark) => entities[mark] as string);
}
