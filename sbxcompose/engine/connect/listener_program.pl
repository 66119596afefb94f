# The same as listener_program.py, for sandboxes that have perl (as minimal Debian and Ubuntu images do) and no python3.
use strict;
use warnings;
use Socket;
use IO::Select;
use IO::Socket::INET;
use POSIX ();

my $token = delete($ENV{SBXCOMPOSE_CONNECT_TOKEN}) . "\n";
my $mark = shift @ARGV;
my ($PATIENCE, $ABANDONED) = (15, 600);
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';
$| = 1;

sub listen_on {
    my ($port) = @_;
    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp', Listen => 128, ReuseAddr => 1);
    if (!$listener) {
        my $why = lc("$!");
        print "cannot listen on port $port: $why\n";
        exit 3;
    }
    return $listener;
}

sub reset_connection {
    my ($one) = @_;
    setsockopt($one, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    close($one);
}

sub write_all {
    my ($sink, $data) = @_;
    while (length $data) {
        my $written = syswrite($sink, $data);
        return 0 unless defined $written;
        substr($data, 0, $written) = '';
    }
    return 1;
}

sub carry {
    my ($source, $sink) = @_;
    while (1) {
        my $read = sysread($source, my $data, 65536);
        if (!defined $read || ($read && !write_all($sink, $data))) {
            shutdown($_, 2) for ($source, $sink);
            last;
        }
        last unless $read;
    }
    shutdown($sink, 1);
}

sub connect_both {
    my ($consumer, $tunnel, $port) = @_;
    $SIG{CHLD} = 'DEFAULT';
    my $there = write_all($tunnel, pack('n', $port))
        && IO::Select->new($tunnel)->can_read($PATIENCE)
        && sysread($tunnel, my $answer, 1);
    if (!$there) {
        reset_connection($consumer);
        return;
    }
    my $other = fork();
    if (!defined $other) {
        reset_connection($consumer);
        return;
    }
    if ($other == 0) {
        carry($tunnel, $consumer);
        POSIX::_exit(0);
    }
    carry($consumer, $tunnel);
    waitpid($other, 0);
}

my $control = listen_on(0);
my %ports;
for my $port (@ARGV) {
    my $listener = listen_on($port);
    $ports{fileno($listener)} = [$listener, $port];
}
my $select = IO::Select->new($control, map { $_->[0] } values %ports);
my (%greeting, @spare, @waiting, %children);
my $used_at = time;
print "control $mark ", $control->sockport, "\n";

while (1) {
    for my $one ($select->can_read(@waiting ? $PATIENCE : $ABANDONED / 4)) {
        my $fd = fileno($one);
        if ($one == $control) {
            my $tunnel = $control->accept or next;
            $greeting{fileno($tunnel)} = '';
            $select->add($tunnel);
        } elsif ($ports{$fd}) {
            my $consumer = $ports{$fd}[0]->accept or next;
            push @waiting, [$consumer, $ports{$fd}[1], time];
        } elsif (exists $greeting{$fd}) {
            my $known = delete $greeting{$fd};
            my $read = sysread($one, $known, length($token) - length($known), length($known));
            if ($read && length($known) < length($token)) {
                $greeting{$fd} = $known;
            } elsif ($read && $known eq $token) {
                push @spare, $one;
            } else {
                $select->remove($one);
                close($one);
            }
        } else {
            @spare = grep { $_ != $one } @spare;
            $select->remove($one);
            close($one);
        }
    }
    while (@waiting && @spare) {
        my $tunnel = shift @spare;
        $select->remove($tunnel);
        if (IO::Select->new($tunnel)->can_read(0)) {    # it was closed a moment ago
            close($tunnel);
            next;
        }
        my ($consumer, $port) = @{shift @waiting};
        my $child = fork();
        if (defined $child && $child == 0) {
            close($_) for ($control, map { $_->[0] } values %ports);
            close($_) for (@spare, map { $_->[0] } @waiting);
            connect_both($consumer, $tunnel, $port);
            POSIX::_exit(0);
        }
        reset_connection($consumer) unless defined $child;
        $children{$child} = 1 if defined $child;
        close($consumer) if defined $child;
        close($tunnel);
    }
    while (@waiting && time - $waiting[0][2] > $PATIENCE) {
        reset_connection((shift @waiting)->[0]);
    }
    delete $children{$_} for grep { !kill(0, $_) } keys %children;
    $used_at = time if @spare || %children;
    last if time - $used_at > $ABANDONED;
}
