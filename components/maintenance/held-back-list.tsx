import type { MaintenanceWindow } from '@/server/contract/maintenance.ts'
import { Time } from '../ui/time.tsx'

/** What would be an incident if it were not announced maintenance: it opens one if it still holds when the window ends. */
export function HeldBackList({ windows }: { windows: readonly MaintenanceWindow[] }) {
  const held = windows.flatMap(({ id, title, held: each = [] }) => each.map((what) => ({ id, title, what })))
  if (held.length === 0) return null
  return (
    <section aria-labelledby="held-back" className="mt-3 rounded-[4px] bg-sunken px-3 py-2">
      <h3 id="held-back" className="font-medium">
        Held back: opens an incident if it still holds when the window ends
      </h3>
      <ul className="grid">
        {held.map(({ id, title, what }) => (
          <li key={`${id} ${what.kind} ${what.scope}`} className="flex flex-wrap gap-x-3">
            <span className="num">{what.kind}</span>
            <span className="min-w-0">{what.sentence}</span>
            <span className="text-faint">
              since <Time at={what.since} />, {title}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
