#!/bin/sh
# Runs one command as a user of one host of the world: enter.sh WORLD HOST USER DIRECTORY COMMAND
# Called inside of the host's network namespace and of fresh uts and mount namespaces, so that the command sees
# the host's own name, users (bound by `ip netns exec`), homes and /dev/log, and nothing is left behind.
set -e
world=$1 host=$2 user=$3 dir=$4 command=$5
hostname "$host"
mount --make-rprivate /
mount --bind "$world/$host/dev-log" /dev/log
mount --bind "$world/$host/opt" /opt
mount --bind "$world/$host/srv" /srv
mount --bind "$world/$host/home" /home
mount --bind "$world/$host/tmp" /tmp
path=/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$user" = root ]; then
    cd "$dir"
    exec env -i HOME=/root USER=root LANG=C.UTF-8 PATH="$path" /bin/bash -c "$command"
fi
id=$(awk -F: -v u="$user" '$1==u{print $3}' /etc/passwd)
cd "$dir"
exec setpriv --reuid="$id" --regid="$id" --clear-groups env -i HOME="/home/$user" USER="$user" LOGNAME="$user" \
    LANG=C.UTF-8 TERM=dumb SHELL=/bin/bash PATH="$path" PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 /bin/bash -c "$command"
