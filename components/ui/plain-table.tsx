import type { ReactNode } from 'react'

/** A short table in a given order, with hairlines; wide ones scroll within themselves, never the page: also what is only for screen readers, hence relative. */
export function PlainTable({
  label,
  head,
  numeric = [],
  low = false,
  children,
}: {
  label: string
  head: readonly string[]
  numeric?: readonly number[]
  /** Beside others on its page: with many rows it scrolls early, so that what follows stays near. */
  low?: boolean
  children: ReactNode
}) {
  return (
    <section
      className={`relative overflow-auto ${low ? 'max-h-96' : 'max-h-[80vh]'}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      aria-label={`${label}, table`}
    >
      <table className="w-full min-w-max border-collapse [&_td.num]:text-right [&_td]:h-9 [&_td]:border-hairline [&_td]:border-t [&_td]:py-1 [&_td]:pr-6 [&_td]:align-middle">
        <thead className="sticky top-0 z-10 bg-canvas">
          <tr className="text-left text-faint text-xs">
            {head.map((name, index) => (
              <th
                key={name}
                scope="col"
                className={`py-1 pr-6 font-medium ${numeric.includes(index) ? 'text-right' : ''}`}
              >
                {name || <span className="sr-only">Actions</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  )
}
