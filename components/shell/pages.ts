/** The pages of the header, with the key that follows `g`. */
export const PAGES = [
  { href: '/', label: 'Overview', key: 'o' },
  { href: '/regions', label: 'Regions', key: 'r' },
  { href: '/nodes', label: 'Nodes', key: 'n' },
  { href: '/tunnels', label: 'Tunnels', key: 't' },
  { href: '/incidents', label: 'Incidents', key: 'i' },
  { href: '/drains', label: 'Drains', key: 'd' },
  { href: '/maintenance', label: 'Maintenance', key: 'm' },
  { href: '/events', label: 'Events', key: 'e' },
  { href: '/settings', label: 'Settings', key: 's' },
] as const

/** The pages below Settings, in the order of their tabs. */
export const SETTINGS_PAGES = [
  { href: '/settings/nodes', label: 'Add nodes', key: 'w' },
  { href: '/settings/notifications', label: 'Notifications', key: 'b' },
  { href: '/settings/users', label: 'Access', key: 'a' },
  { href: '/settings/system', label: 'System', key: 's' },
] as const

/** Every page that a key leads to; `/settings` itself is its first tab. */
export const KEYED_PAGES = [...PAGES.filter(({ href }) => href !== '/settings'), ...SETTINGS_PAGES]

export const isCurrent = (href: string, path: string): boolean =>
  href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`)
