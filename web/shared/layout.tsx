import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { KeyForm } from './key-form.tsx';
import { applyTheme, savedTheme, type Theme } from './theme.ts';

const pages = [
  { name: 'Playground', href: './' },
  { name: 'Dashboard', href: './dashboard.html' },
  { name: 'In the browser', href: './browser.html' },
] as const;

interface LayoutProps {
  readonly page: (typeof pages)[number]['name'];
  /** What the page is for, in one sentence. */
  readonly lead: string;
  /** What is being served, where it is known. */
  readonly about?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** What all pages share: the way past the navigation, the header, and the question for a key. */
export function Layout({ page, lead, about, children }: LayoutProps) {
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="site">
        <div class="site-row">
          <span class="brand">
            <span class="brand-mark" aria-hidden="true" />
            Itera-Lite
          </span>
          <nav aria-label="Pages">
            <ul>
              {pages.map(({ name, href }) => (
                <li key={name}>
                  <a href={href} {...(name === page && { 'aria-current': 'page' as const })}>
                    {name}
                  </a>
                </li>
              ))}
              <li>
                <a href="../docs">API</a>
              </li>
            </ul>
          </nav>
          <ThemeChoice />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <div class="page-head">
          <div>
            <h1>{page}</h1>
            <p class="muted">{lead}</p>
          </div>
          {about}
        </div>
        <KeyForm />
        {children}
      </main>
    </>
  );
}

function ThemeChoice() {
  const [theme, setTheme] = useState(savedTheme);
  return (
    <label class="theme">
      <span class="visually-hidden">Colours</span>
      <select
        value={theme}
        onChange={({ currentTarget }) => {
          const chosen = currentTarget.value as Theme;
          applyTheme(chosen);
          setTheme(chosen);
        }}
      >
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
