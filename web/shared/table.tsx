import type { ComponentChildren } from 'preact';

interface TableProps {
  readonly caption: string;
  /** Titles of the columns; those of numbers are aligned to the right. */
  readonly columns: readonly (string | { readonly title: string; readonly isNumber: true })[];
  /** Rows of the table. */
  readonly children: ComponentChildren;
}

/** A table that scrolls by itself where the page is narrow. */
export function Table({ caption, columns, children }: TableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no pointer scrolls it with the arrow keys
    <section class="scroll" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const title = typeof column === 'string' ? column : column.title;
              return (
                <th key={title} scope="col" {...(typeof column !== 'string' && { class: 'number' })}>
                  {title}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}
