import { useState } from 'preact/hooks';
import { api } from '../shared/api.ts';
import type { Deployment, VersionList } from '../shared/api-types.ts';
import { ConfirmDialog } from '../shared/confirm-dialog.tsx';
import { Fault, faultText } from '../shared/fault.tsx';
import { formatTime } from '../shared/format.ts';
import { Table } from '../shared/table.tsx';
import { useLoaded } from '../shared/use-loaded.ts';

/** What is to be confirmed. */
type Asked = { readonly kind: 'promote'; readonly id: string } | { readonly kind: 'rollBack' };

/** The versions that there are, which of them answer, and the means to change that. */
export function Versions({ onChange }: { readonly onChange: () => void }) {
  const { value, error, reload } = useLoaded(api.versions);
  const [asked, setAsked] = useState<Asked>();
  const [percent, setPercent] = useState('');
  const [message, setMessage] = useState<{ readonly text: string; readonly isFault: boolean }>();

  async function change(): Promise<void> {
    if (!asked) return;
    setAsked(undefined);
    try {
      const now =
        asked.kind === 'rollBack'
          ? await api.rollBack()
          : await api.promote(asked.id, percent === '' ? undefined : Number(percent));
      setMessage({ text: deploymentText(now), isFault: false });
      reload();
      onChange();
    } catch (fault) {
      setMessage({ text: faultText(fault), isFault: true });
    }
  }

  return (
    <section class="card" aria-labelledby="versions-title">
      <div class="card-head">
        <h2 id="versions-title">Versions</h2>
        <div class="row">
          <p role="status" class={message?.isFault ? 'fault' : 'confirmation'}>
            {message?.text}
          </p>
          <button
            type="button"
            class="small"
            disabled={!value?.deployment?.canary && value?.deployment?.previous === undefined}
            onClick={() => setAsked({ kind: 'rollBack' })}
          >
            Roll back
          </button>
          <button type="button" class="small" onClick={reload}>
            Refresh<span class="visually-hidden"> versions</span>
          </button>
        </div>
      </div>
      {error && <Fault error={error} />}
      {value?.data.length === 0 && (
        <p class="muted">The base model answers. The first adaptation records it as v1, and what it learns as v2.</p>
      )}
      {value && value.data.length > 0 && (
        <VersionTable
          list={value}
          onPromote={(id) => {
            setPercent('');
            setAsked({ kind: 'promote', id });
          }}
        />
      )}
      {asked?.kind === 'promote' && (
        <ConfirmDialog
          title={`Promote ${asked.id}?`}
          action="Promote"
          onConfirm={() => void change()}
          onCancel={() => setAsked(undefined)}
        >
          <p>It answers from then on; requests that go on end on the version that they began with.</p>
          <label>
            Only for this share of clients, in percent
            <input
              type="number"
              min="0.1"
              max="99.9"
              step="0.1"
              value={percent}
              aria-describedby="percent-hint"
              onInput={({ currentTarget }) => setPercent(currentTarget.value)}
            />
            <small id="percent-hint">empty: for everyone</small>
          </label>
        </ConfirmDialog>
      )}
      {asked?.kind === 'rollBack' && value?.deployment && (
        <ConfirmDialog
          title="Roll back?"
          action="Roll back"
          onConfirm={() => void change()}
          onCancel={() => setAsked(undefined)}
        >
          <p>
            {value.deployment.canary
              ? `The canary ${value.deployment.canary.version} ends, and ${value.deployment.promoted} answers everyone.`
              : `${value.deployment.previous} answers again, in place of ${value.deployment.promoted}.`}
          </p>
        </ConfirmDialog>
      )}
    </section>
  );
}

interface VersionTableProps {
  readonly list: VersionList;
  readonly onPromote: (id: string) => void;
}

function VersionTable({ list: { data, deployment, serving }, onPromote }: VersionTableProps) {
  return (
    <Table caption="Versions" columns={['Version', 'Answers', 'State', 'From', 'Made', 'Change']}>
      {data.map(({ id, parent, state, created_at: made }) => (
        <tr key={id}>
          <th scope="row">{id}</th>
          <td>
            {deployment?.promoted === id && <span class="badge good">promoted</span>}
            {deployment?.canary?.version === id && <span class="badge">canary, {deployment.canary.percent}%</span>}
            {deployment?.promoted === id && serving.promoted !== id && <span class="badge bad">not loaded yet</span>}
            {deployment?.previous === id && <span class="badge">before</span>}
          </td>
          <td>{state}</td>
          <td>{parent ?? ''}</td>
          <td>{formatTime(made)}</td>
          <td>
            {deployment?.promoted !== id && state !== 'deleted' && (
              <button type="button" class="small" onClick={() => onPromote(id)}>
                Promote<span class="visually-hidden"> {id}</span>
              </button>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function deploymentText({ promoted, canary }: Deployment): string {
  return canary
    ? `${canary.version} answers ${canary.percent}% of clients, ${promoted} the others.`
    : `${promoted} answers.`;
}
