#!/bin/sh
# boot_systemd.sh GROUP UNPACKED BIN UNIT: turns this computer of the laboratory into one whose
# first process is systemd, with the shipped ipopd.service enabled as `./run install` enables it.
set -eu
group=$1 unpacked=$2 bin=$3 unit=$4

# A control group of its own, seen as the root of all by what runs in it.
all=$(mktemp -d)
mount -t cgroup2 cgroup2 "$all"
for old in "$all"/ipop-e2e-*; do  # of runs that were killed
  pid=${old##*/ipop-e2e-} && pid=${pid%%-*}
  [ ! -d "$old" ] || [ -d "/proc/$pid" ] || find "$old" -depth -type d -exec rmdir {} +
done
mkdir -p "$all/$group"
echo $$ >"$all/$group/cgroup.procs"
umount "$all" && rmdir "$all"

# Programs of a machine that was installed to: /usr/local, as everything below, is this computer's.
mount -t tmpfs tmpfs /usr/local
mkdir /usr/local/bin
cp "$bin/ipop" "$bin/ipopd" /usr/local/bin

rm -rf /etc/systemd
mkdir -p /etc/systemd/system/multi-user.target.wants /run/lock
sed 's|/usr/bin/ipopd|/usr/local/bin/ipopd|' "$unit" >/etc/systemd/system/ipopd.service
ln -s ../ipopd.service /etc/systemd/system/multi-user.target.wants/
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
# The targets without what Debian hangs on them: udev, mounts, sysctl are the machine's.
for target in basic sysinit multi-user shutdown umount final network; do
  cp "$unpacked/lib/systemd/system/$target.target" /etc/systemd/system/
done

export UNPACKED="$unpacked"
exec unshare --cgroup --mount --ipc --pid --fork --propagation private sh -euc '
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,bind,ro /sys
exec env -i container=ipop PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  LD_LIBRARY_PATH="$(echo "$UNPACKED"/usr/lib/*-linux-gnu/systemd)" \
  SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system SYSTEMD_GENERATOR_PATH=/run/none \
  "$UNPACKED/lib/systemd/systemd" --system --unit=multi-user.target --log-target=console \
  --show-status=no --default-standard-output=inherit
'
