; Switches to tasks with wrong contents; the faults come in the new task.

%define BAD_TASKS
%include "tasks.asm"
