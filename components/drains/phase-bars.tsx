import { formatDuration } from '../ui/format.ts'

export interface PhaseBarRow {
  node: string
  phases: { name: string; seconds: number }[]
}

/** Shades of ink: colour is kept for state. */
const tone = (percent: number) => `color-mix(in srgb, var(--ink-soft) ${percent}%, var(--canvas))`

const FILL: Record<string, string> = {
  'pre-drain': tone(48),
  pre_drain: tone(48),
  connections: tone(85),
  tunnels: tone(60),
  cleanup: tone(40),
  proving: tone(25),
  margin: tone(12),
}

/** More bars than these scroll within themselves: what follows stays near. */
const MANY_ROWS = 16

/** Phases end to end, one bar a node, against the ceiling where there is one. */
export function PhaseBars({ rows, ceilingSeconds }: { rows: PhaseBarRow[]; ceilingSeconds?: number }) {
  const longest = Math.max(
    1,
    ceilingSeconds ?? 0,
    ...rows.map((row) => row.phases.reduce((sum, phase) => sum + phase.seconds, 0)),
  )
  const names = [...new Set(rows.flatMap((row) => row.phases.map((phase) => phase.name)))]
  return (
    <div className="grid gap-2">
      <ul
        className={`grid gap-2 ${rows.length > MANY_ROWS ? 'max-h-96 overflow-y-auto' : ''}`}
        {...(rows.length > MANY_ROWS ? { tabIndex: 0, 'aria-label': 'Phases of each node' } : {})}
      >
        {rows.map((row) => (
          <li key={row.node} className="grid grid-cols-[4.5rem_minmax(0,1fr)_4.5rem] items-center gap-3">
            <span className="num truncate">{row.node}</span>
            <span
              className="relative flex h-4 rounded-[2px] bg-sunken"
              role="img"
              aria-label={`${row.node}: ${row.phases.map((phase) => `${phase.name} ${formatDuration(phase.seconds * 1000)}`).join(', ')}${ceilingSeconds ? `; ceiling ${formatDuration(ceilingSeconds * 1000)}` : ''}`}
            >
              {row.phases
                .filter((phase) => phase.seconds > 0)
                .map((phase) => (
                  <span
                    key={phase.name}
                    title={`${phase.name} ${formatDuration(phase.seconds * 1000)}`}
                    className="h-full border-canvas border-r"
                    style={{
                      width: `${(phase.seconds / longest) * 100}%`,
                      background: FILL[phase.name] ?? tone(50),
                    }}
                  />
                ))}
              {ceilingSeconds !== undefined && (
                <span
                  className="absolute inset-y-[-3px] w-0.5 bg-down"
                  style={{ left: `calc(${(ceilingSeconds / longest) * 100}% - 2px)` }}
                />
              )}
            </span>
            <span className="num text-right">
              {formatDuration(row.phases.reduce((sum, phase) => sum + phase.seconds, 0) * 1000)}
            </span>
          </li>
        ))}
      </ul>
      <p className="flex flex-wrap gap-x-4 text-soft text-xs">
        {names.map((name) => (
          <span key={name} className="inline-flex items-center gap-1.5">
            <span className="size-2" style={{ background: FILL[name] ?? tone(50) }} />
            {name.replace('_', '-')}
          </span>
        ))}
        {ceilingSeconds !== undefined && (
          <span className="inline-flex items-center gap-1.5">
            <span className="h-3 w-0.5 bg-down" />
            ceiling {formatDuration(ceilingSeconds * 1000)}
          </span>
        )}
      </p>
    </div>
  )
}
