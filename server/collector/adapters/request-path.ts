/** The path and query of an address, as a request names them; `/` where it is no URL. */
export const ownPath = (url: string): string => {
  if (!URL.canParse(url)) return '/'
  const { pathname, search } = new URL(url)
  return `${pathname}${search}`
}

/** `path` below whatever path an address has; `path` alone where it is no URL. */
export const pathBelow = (url: string, path: string): string =>
  URL.canParse(url) ? `${new URL(url).pathname.replace(/\/+$/, '')}${path}` : path
