import type { Overview } from '@/server/contract/fleet.ts'
import { plural } from '../ui/format.ts'
import { isCurrent, PAGES, SETTINGS_PAGES } from './pages.ts'

/** Title and icon of the tab: the state first, then the name of the page. */
export const titleOf = (
  path: string,
  overview: Overview | undefined,
  stale: boolean,
): { title: string; icon: string } => {
  const page = [...SETTINGS_PAGES, ...PAGES].find((candidate) => isCurrent(candidate.href, path))
  const last = path.split('/').filter(Boolean).at(-1)
  const place =
    page && page.href !== '/'
      ? page.href === path || !last || last.length > 20
        ? page.label
        : last === 'new'
          ? 'New drain'
          : decodeURIComponent(last)
      : null
  const product = overview?.demo ? 'Tidegate DEMO' : 'Tidegate'
  const demo = overview?.demo ? 'demo-' : ''
  const parts = [place, product].filter((part) => part !== null)
  if (!overview || stale)
    return {
      title: [stale ? '◌ stale' : null, ...parts].filter(Boolean).join(' · '),
      icon: `/icon-${demo}unknown.svg`,
    }
  const open = overview.incidents.filter((incident) => incident.state !== 'resolved').length
  const mark =
    overview.verdict.level === 'ok' ? null : open > 0 ? `● ${plural(open, 'incident')}` : '▲ attention'
  return {
    title: [mark, ...parts].filter(Boolean).join(' · '),
    icon: `/icon-${demo}${overview.verdict.level}.svg`,
  }
}
