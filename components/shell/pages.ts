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
  { href: '/settings/users', label: 'Access', key: 'a' },
  { href: '/settings/system', label: 'System', key: 's' },
] as const

export const isCurrent = (href: string, path: string): boolean =>
  href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`)
