import { formatPercent } from '../shared/format.ts';
import { nameToken } from './token-view.tsx';
import type { ShownToken } from './use-generation.ts';

/** A token's probability, and what could have stood in its place. */
export function TokenDetails({ token, index }: { readonly token: ShownToken | undefined; readonly index: number }) {
  if (!token) {
    return (
      <p class="muted">Point at a token, or move to the output and use the arrow keys, to see its alternatives.</p>
    );
  }
  return (
    <>
      <p>
        Token {index + 1}: <TokenText token={token.token} /> had a probability of{' '}
        <strong>{formatPercent(Math.exp(token.logProb))}</strong>.
      </p>
      <table class="alternatives">
        <caption>Likeliest in its place</caption>
        <thead>
          <tr>
            <th scope="col">Token</th>
            <th scope="col" class="number">
              Probability
            </th>
          </tr>
        </thead>
        <tbody>
          {token.alternatives.map(({ token: other, logProb }) => (
            <tr key={other} {...(other === token.token && { class: 'drawn' })}>
              <th scope="row">
                <TokenText token={other} />
                {other === token.token && <span class="muted"> drawn</span>}
              </th>
              <td class="number">
                {/* The number beside it says the same. */}
                <span class="share" aria-hidden="true">
                  <span style={{ width: `${100 * Math.exp(logProb)}%` }} />
                </span>
                <span>{formatPercent(Math.exp(logProb))}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function TokenText({ token }: { readonly token: string }) {
  const isWord = nameToken(token) === token;
  return isWord ? <code class="token-text">{token.replaceAll('\n', '⏎')}</code> : <em>{nameToken(token)}</em>;
}
