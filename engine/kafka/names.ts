/**
 * The names that an app has in Kafka. They are its identity there: another name is another, empty task.
 *
 * I1  Two tasks of an app never share a transactional id, nor two of its processors a group or topic.
 * I2  Two apps on one cluster do not either, unless the name of one goes on as that of the other, a dash or a dot and the
 *     beginning of a processor's name: choose app names without dots and dashes where several share a cluster.
 */

/** Whose members are the processes of an app; they subscribe to its changelog topics. */
export const membershipGroup = (app: string): string => app;

/** Under which the tasks of a processor commit the positions of their inputs. Nobody joins it. */
export const offsetsGroup = (app: string, processor: string): string => `${app}.${processor}`;

/** Compacted; partition n holds the state of task n. */
export const changelogTopic = (app: string, processor: string): string => `${app}.${processor}-changelog`;

/** Partition n holds in which order task n took its inputs. */
export const journalTopic = (app: string, processor: string): string => `${app}.${processor}-journal`;

/** Of the one producer that may write for a task: a second one with it fences the first. */
export const transactionalId = (app: string, processor: string, partition: number): string =>
  `${app}-${processor}-${partition}`;
