/** A number beside a page's name; nothing for zero. */
export function PageCount({ count, loud }: { count: number | undefined; loud: boolean }) {
  if (!count) return null
  return (
    <span
      className={`num ml-1.5 rounded-[3px] border px-1 text-xs leading-4 ${loud ? 'border-down text-down' : 'border-hairline-strong text-soft'}`}
    >
      {count}
      <span className="sr-only"> open</span>
    </span>
  )
}
