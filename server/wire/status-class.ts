/** `2xx`, `4xx` …: by what answers are counted. What is no HTTP status counts as `other`, so that there are few keys. */
export const statusClass = (status: number): string =>
  status >= 100 && status <= 599 ? `${Math.floor(status / 100)}xx` : 'other'
