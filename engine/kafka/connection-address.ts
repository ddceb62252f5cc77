/** Brokers' addresses, checked where they are given: Kafka's clients would say so much later, and worse. */

/** kafkajs takes no IPv6 addresses; a name that resolves to one is fine. */
const pattern = /^[^\s:/@[\]]+:(\d{1,5})$/;

/** Why text is no address of a broker; undefined when it is one. What stands before an `@` may be a password: not shown. */
export function addressProblem(address: string): string | undefined {
  const port = pattern.exec(address)?.[1];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return undefined;
  return `'${address.replace(/^.*@/s, '...@')}' is not host:port (an IPv6 address needs a host name)`;
}
