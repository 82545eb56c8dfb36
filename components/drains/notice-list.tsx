import type { DrainNotice } from '@/server/contract/drains.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'

export function NoticeList({ blockers, warnings }: { blockers: DrainNotice[]; warnings: DrainNotice[] }) {
  if (blockers.length + warnings.length === 0) return <p className="text-soft">Nothing stands in the way.</p>
  return (
    <ul className="grid gap-1" aria-label="Blockers and warnings">
      {blockers.map((notice) => (
        <li
          key={`b${notice.code}${notice.message}`}
          className="flex gap-2 rounded-[4px] bg-down-wash px-3 py-2 text-down"
        >
          <span>
            <StateGlyph shape="down" />
          </span>
          <span>
            <strong>Blocks the drain:</strong> {notice.message}
          </span>
        </li>
      ))}
      {warnings.map((notice) => (
        <li
          key={`w${notice.code}${notice.message}`}
          className="flex gap-2 rounded-[4px] bg-degraded-wash px-3 py-2 text-degraded"
        >
          <span>
            <StateGlyph shape="degraded" />
          </span>
          <span>
            <strong>Warning:</strong> {notice.message}
          </span>
        </li>
      ))}
    </ul>
  )
}
